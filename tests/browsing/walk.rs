//! The walk: who does what, and what must be on the screen after each step.

use std::fmt;

use crate::driver::{Browser, Driver, Page};
use crate::transcript::Transcript;

/// Somebody saw what is another's.
#[derive(Debug)]
pub(crate) struct Leak {
    step: String,
    seen: String,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after \"{}\", the page shows {}", self.step, self.seen)
    }
}

const ALICE: &str = "alice-in-the-mirror";
const BOB: &str = "bob-the-builder";

/// What only this person's dashboard may show: the name, and what stands in front of all descriptions.
fn marks(person: &str) -> [String; 2] {
    [person.to_owned(), format!("secret of {person}")]
}

/// One person's eyes before one browser.
struct Screen<'a, 'b> {
    browser: &'a Browser<'b>,
    transcript: &'a mut Transcript,
    name: &'static str,
    url: &'a str,
}

impl Screen<'_, '_> {
    /// Notes a step, and looks: nothing of others, and of `who` what a signed-in person must see.
    async fn look(&mut self, step: &str, who: Option<&str>) -> Result<Page, Leak> {
        let page = self.browser.page().await;
        let seen: Vec<&str> = [ALICE, BOB]
            .into_iter()
            .filter(|person| marks(person).iter().any(|mark| page.source.contains(mark)))
            .collect();
        let line = format!(
            "{}: {step} -> {} \"{}\" shows {seen:?}",
            self.name, page.address, page.title
        );
        self.transcript.note(&line);
        if let Some(other) = seen.iter().find(|seen| Some(**seen) != who) {
            return Err(Leak {
                step: format!("{}: {step}", self.name),
                seen: format!("what is {other}'s, and {who:?} is signed in"),
            });
        }
        Ok(page)
    }

    /// The same, where the dashboard must be there.
    async fn look_at_dashboard(&mut self, step: &str, who: &str) -> Result<Page, Leak> {
        let page = self.look(step, Some(who)).await?;
        assert_eq!(page.address, "/dashboard", "after {step}");
        assert!(
            page.source.contains(who),
            "after {step}, {who} is not greeted"
        );
        Ok(page)
    }

    async fn sign_in(&mut self, who: &str) -> Result<Page, Leak> {
        self.browser.open(self.url).await;
        self.look(&format!("before {who} signs in"), None).await?;
        let form = "form[action='/sign-in']";
        self.browser
            .type_into(&format!("{form} input[name=user]"), who)
            .await;
        self.browser.click(&format!("{form} button")).await;
        self.look_at_dashboard(&format!("{who} signs in"), who)
            .await
    }

    async fn add(&mut self, who: &str, amount: &str) -> Result<Page, Leak> {
        let form = "form[action='/expenses']";
        let description = format!("secret of {who}: {amount}");
        for (field, text) in [
            ("amount", amount),
            ("category", "books"),
            ("description", &*description),
        ] {
            self.browser
                .type_into(&format!("{form} [name={field}]"), text)
                .await;
        }
        self.browser.click(&format!("{form} button")).await;
        let step = format!("{who} adds {amount}");
        let page = self.look_at_dashboard(&step, who).await?;
        let is_listed = page.source.contains(&description);
        assert!(is_listed, "the new expense is not listed");
        Ok(page)
    }

    async fn sign_out(&mut self, who: &str) -> Result<Page, Leak> {
        self.browser.click("form[action='/sign-out'] button").await;
        self.look(&format!("{who} signs out"), None).await
    }
}

/// Two people, one after the other, in the tabs of one browser.
pub(crate) async fn one_browser(
    driver: &Driver,
    url: &str,
    transcript: &mut Transcript,
) -> Result<(), Leak> {
    let browser = driver.browser("shared").await;
    let mut screen = Screen {
        browser: &browser,
        transcript,
        name: "shared browser",
        url,
    };
    let first = browser.tab().await;
    screen.sign_in(ALICE).await?;
    screen.add(ALICE, "12.50").await?;
    browser.reload().await;
    screen.look_at_dashboard("reload", ALICE).await?;
    browser.open(url).await;
    screen.look("to the start page", Some(ALICE)).await?;
    browser.back().await;
    screen.look_at_dashboard("back", ALICE).await?;
    browser.forward().await;
    screen.look("forward", Some(ALICE)).await?;
    browser.back().await;
    screen.look_at_dashboard("back again", ALICE).await?;

    let second = browser.new_tab().await;
    browser.switch_to(&second).await;
    browser.open(&format!("{url}/dashboard")).await;
    screen.look_at_dashboard("in a second tab", ALICE).await?;
    screen.sign_out(ALICE).await?;
    for step in ["back", "back twice"] {
        browser.back().await;
        screen
            .look(&format!("{step} after signing out"), None)
            .await?;
    }
    browser.forward().await;
    screen.look("forward after signing out", None).await?;
    browser.open(&format!("{url}/dashboard")).await;
    screen.look("the dashboard, signed out", None).await?;

    browser.switch_to(&first).await;
    browser.reload().await;
    screen
        .look("reload of the first tab, signed out", None)
        .await?;
    browser.back().await;
    screen
        .look("back in the first tab, signed out", None)
        .await?;

    screen.sign_in(BOB).await?;
    screen.add(BOB, "3.20").await?;
    for _ in 0..4 {
        browser.back().await;
        screen.look("back, as another person", Some(BOB)).await?;
    }
    for _ in 0..4 {
        browser.forward().await;
        screen.look("forward, as another person", Some(BOB)).await?;
    }
    browser.open(&format!("{url}/dashboard")).await;
    screen
        .look_at_dashboard("the dashboard, as another person", BOB)
        .await?;
    browser.reload().await;
    screen
        .look_at_dashboard("reload, as another person", BOB)
        .await?;
    browser.switch_to(&second).await;
    browser.back().await;
    screen
        .look("back in the second tab, as another person", Some(BOB))
        .await?;
    browser.open(&format!("{url}/dashboard")).await;
    screen
        .look_at_dashboard("the dashboard in the second tab", BOB)
        .await?;
    screen.sign_out(BOB).await?;
    for _ in 0..3 {
        browser.back().await;
        screen.look("back after both have gone", None).await?;
    }
    browser.close().await;
    Ok(())
}

/// Two people at once, each in a browser of their own.
pub(crate) async fn two_browsers(
    driver: &Driver,
    url: &str,
    transcript: &mut Transcript,
) -> Result<(), Leak> {
    let (of_alice, of_bob) = (driver.browser("alice").await, driver.browser("bob").await);
    let people = [
        (ALICE, "alice's browser", &of_alice),
        (BOB, "bob's browser", &of_bob),
    ];
    for (who, name, browser) in people {
        let mut screen = Screen {
            browser,
            transcript,
            name,
            url,
        };
        screen.sign_in(who).await?;
    }
    for round in 1..=3 {
        for (who, name, browser) in people {
            let mut screen = Screen {
                browser,
                transcript,
                name,
                url,
            };
            screen.add(who, &format!("{round}.99")).await?;
            browser.reload().await;
            screen.look_at_dashboard("reload", who).await?;
            browser.back().await;
            screen.look("back", Some(who)).await?;
            browser.open(&format!("{url}/dashboard")).await;
            screen.look_at_dashboard("the dashboard", who).await?;
        }
    }
    of_alice.close().await;
    of_bob.close().await;
    Ok(())
}
