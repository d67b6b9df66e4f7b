//! A handler whose answer can be changed, that can be held up, and that remembers what it was asked.

use std::sync::Mutex;

use super::*;
use crate::Unreachable;

type Answers = Arc<dyn Fn(&Request<Body>) -> Response<Body> + Send + Sync>;

#[derive(Clone)]
pub(super) struct Origin {
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<(Method, HeaderMap)>>>,
    gate: Arc<Mutex<Gate>>,
}

impl World {
    /// A site of an origin that answers with an empty page, until it is told what to say.
    pub(super) fn origin(&self, layer: CacheLayer) -> (Origin, Site) {
        let origin = Origin {
            answers: Arc::new(Mutex::new(Arc::new(|_| page(&[], "")))),
            asked: Arc::default(),
            gate: Arc::new(Mutex::new(Gate::opened())),
        };
        let asked = origin.clone();
        let site = self.site(layer, move |request| asked.clone().answer(request));
        (origin, site)
    }
}

impl Origin {
    /// What it says is settled when it is asked; how long it takes is up to the gate.
    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let answers = self.answers.lock().unwrap().clone();
        let response = answers(&request);
        let head = (request.method().clone(), request.headers().clone());
        self.asked.lock().unwrap().push(head);
        let gate = self.gate.lock().unwrap().clone();
        gate.pass().await;
        response
    }

    pub(super) fn answers(
        &self,
        answers: impl Fn(&Request<Body>) -> Response<Body> + Send + Sync + 'static,
    ) {
        *self.answers.lock().unwrap() = Arc::new(answers);
    }

    pub(super) fn says(&self, status: u16, fields: Fields, body: &'static str) {
        self.answers(move |_| with_status(status, fields, body));
    }

    /// A 304 with these fields.
    pub(super) fn confirms(&self, fields: Fields) {
        self.says(304, fields, "");
    }

    /// This page, or a 304 to whoever names its tag.
    pub(super) fn holds(&self, tag: &'static str, fields: Fields, body: &'static str) {
        self.answers(move |request| {
            let tags = request.headers().get("if-none-match");
            let is_listed = tags.is_some_and(|tags| tags.to_str().unwrap().contains(tag));
            let fields = [fields, &[("etag", tag)]].concat();
            match is_listed {
                true => with_status(304, &fields, ""),
                false => page(&fields, body),
            }
        });
    }

    /// A 502 of a service that got no answer.
    pub(super) fn is_unreachable(&self) {
        self.answers(|_| {
            let mut response = with_status(502, &[], "unreachable");
            response.extensions_mut().insert(Unreachable);
            response
        });
    }

    /// Holds up whom it is asked by from now on.
    pub(super) fn hold(&self) -> Gate {
        let gate = Gate::closed();
        *self.gate.lock().unwrap() = gate.clone();
        gate
    }

    /// The method and the fields of the last request.
    pub(super) fn last(&self) -> (Method, HeaderMap) {
        self.asked.lock().unwrap().last().expect("a run").clone()
    }

    /// All lines of a field of the last request, as one; `None` if it had none.
    pub(super) fn asked(&self, name: &str) -> Option<String> {
        let (_, headers) = self.last();
        let lines = headers.get_all(name).iter();
        let lines: Vec<_> = lines.map(|line| line.to_str().unwrap()).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }
}

impl Answer {
    pub(super) fn code(&self) -> u16 {
        self.status.as_u16()
    }

    /// Status and body.
    pub(super) fn is(&self, status: u16, body: &str) -> bool {
        (self.code(), &*self.body) == (status, body)
    }
}
