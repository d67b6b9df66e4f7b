//! Somebody who is signed in, or not.

use reqwest::{Method, RequestBuilder, StatusCode};

use crate::{
    client::{Answer, Client, send},
    server::Server,
};

pub(crate) struct Visitor {
    client: Client,
    pub(crate) name: String,
    /// `session=…`, as a browser sends it back.
    pub(crate) cookie: String,
}

impl Visitor {
    pub(crate) async fn sign_in(server: &Server, name: &str) -> Self {
        let client = Client::new();
        let form = [("user", name)];
        let answer = send(client.ask(Method::POST, server, "/sign-in").form(&form)).await;
        assert_leads_to(&answer, "/dashboard");
        Self {
            client,
            name: name.to_owned(),
            cookie: cookie(&answer),
        }
    }

    /// A request in this visitor's session.
    pub(crate) fn ask(&self, method: Method, server: &Server, path: &str) -> RequestBuilder {
        self.client
            .ask(method, server, path)
            .header("cookie", &self.cookie)
    }

    pub(crate) async fn dashboard(&self, server: &Server) -> Answer {
        send(self.ask(Method::GET, server, "/dashboard")).await
    }

    /// The dashboard after `condition`, a field such as `range: bytes=0-9`.
    pub(crate) async fn dashboard_with(&self, server: &Server, condition: &str) -> Answer {
        let (name, value) = condition.split_once(": ").expect("a field");
        let ask = self.ask(Method::GET, server, "/dashboard");
        send(ask.header(name, value)).await
    }

    pub(crate) async fn post(&self, server: &Server, path: &str, form: &[(&str, &str)]) -> Answer {
        send(self.ask(Method::POST, server, path).form(form)).await
    }

    pub(crate) async fn spend(
        &self,
        server: &Server,
        amount: &str,
        category: &str,
        description: &str,
    ) {
        let form = [
            ("amount", amount),
            ("category", category),
            ("description", description),
        ];
        assert_leads_to(&self.post(server, "/expenses", &form).await, "/dashboard");
    }

    /// Makes this visitor's page, and sees that it is stored.
    pub(crate) async fn fill(&self, server: &Server) -> Answer {
        self.assert_sees_own(&self.dashboard(server).await);
        let page = self.dashboard(server).await;
        page.assert_hit();
        page
    }

    #[track_caller]
    pub(crate) fn assert_sees_own(&self, page: &Answer) {
        let heading = format!("<h1>Expenses of {}</h1>", self.name);
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        assert!(page.body.contains(&heading), "{}: {page:?}", self.name);
    }
}

/// The pair that a browser keeps of the one cookie that was set.
#[track_caller]
pub(crate) fn cookie(answer: &Answer) -> String {
    let set = answer.field("set-cookie").expect("a cookie is set");
    set.split(';').next().expect("it has a pair").to_owned()
}

#[track_caller]
pub(crate) fn assert_leads_to(answer: &Answer, path: &str) {
    assert_eq!(
        (answer.status, answer.field("location")),
        (StatusCode::SEE_OTHER, Some(path)),
        "{answer:?}"
    );
}

/// Made from the database for this request, and stored.
#[track_caller]
pub(crate) fn assert_made(page: &Answer) {
    let status = page.cache();
    assert!(
        page.status == StatusCode::OK
            && status.get("fwd").is_some()
            && status.get("stored") == Some("?1"),
        "{page:?}"
    );
}
