//! A person's sign-in at a host with Kavach's API: the wallet signs the host's text once, web tokens serve from then on,
//! and are renewed without the wallet as long as the host takes the refresh token.
//!
//! Such a token is good for everything that the person has at that host, at all of its nodes, whoever holds it. So it goes
//! to that host only, and is renewed once for all calls that find it ended at the same time.

use std::fmt;

use futures::lock::Mutex;
use healthsync_core::eth::recover_eip191;
use healthsync_core::{Person, Signature65};
use serde_json::{Value, json};

use crate::kavach::{Call, Refusal};

/// What every text to sign begins with. Nothing else is signed: it might be another site's sign-in.
const TEXT: &str = "Please sign this message to prove you are owner of this account: ";
const LONGEST_TEXT: usize = 200;
const LONGEST_TOKEN: usize = 4096;

/// Web tokens, as the host gives them.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens {
    /// The bearer of calls.
    pub access: String,
    /// Good for a new pair.
    pub refresh: String,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(..)")
    }
}

impl Tokens {
    /// From the host's answer, or from what [`Tokens::to_json`] gave.
    pub fn read(answer: &Value) -> Option<Self> {
        let token = |name| {
            let token = answer[name].as_str()?;
            // It becomes part of a header.
            let fits = (1..=LONGEST_TOKEN).contains(&token.len())
                && token.bytes().all(|byte| byte.is_ascii_graphic());
            fits.then(|| token.to_owned())
        };
        Some(Self {
            access: token("token")?,
            refresh: token("refreshToken")?,
        })
    }

    /// In the host's shape.
    pub fn to_json(&self) -> Value {
        json!({ "token": self.access, "refreshToken": self.refresh })
    }
}

/// Why nobody could be signed in, beside what a [`Way`] itself says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The host's text is not one that is signed here.
    #[error("they ask for a signature of something else than a sign-in")]
    OtherText,
    /// The signature is somebody else's.
    #[error("the wallet signed with another account")]
    OtherAccount,
    /// No tokens in the answer.
    #[error("their answer to the signature cannot be read")]
    NoTokens,
}

/// How calls get to the host, and its texts to the wallet.
pub trait Way {
    /// Why a call or a signature did not come about.
    type Error: From<SignInError>;

    /// Sends a call; gives the JSON of an answer that says yes.
    fn send(
        &self,
        call: &Call,
        bearer: Option<&str>,
    ) -> impl Future<Output = Result<Value, Self::Error>>;

    /// Has the wallet sign a text that `text` gets: the person is asked first, because texts do not live long.
    fn sign(
        &self,
        text: impl Future<Output = Result<String, Self::Error>>,
    ) -> impl Future<Output = Result<(String, Signature65), Self::Error>>;

    /// These tokens are good now.
    fn keep(&self, tokens: &Tokens);

    /// What the host meant, if it was the host that said no.
    fn refusal(error: &Self::Error) -> Option<Refusal>;
}

/// One person at one host.
#[derive(Debug)]
pub struct Visit {
    person: Person,
    tokens: Mutex<Option<Tokens>>,
}

impl Visit {
    /// With tokens of earlier, if there are any.
    pub fn new(person: Person, tokens: Option<Tokens>) -> Self {
        Self {
            person,
            tokens: Mutex::new(tokens),
        }
    }

    /// Who visits.
    pub fn person(&self) -> Person {
        self.person
    }

    /// Whether calls can go out without the wallet, as far as is known here.
    pub fn has_begun(&self) -> bool {
        self.tokens
            .try_lock()
            .is_some_and(|tokens| tokens.is_some())
    }

    /// Signs in, unless that was done before.
    pub async fn begin<W: Way>(&self, way: &W) -> Result<(), W::Error> {
        self.token(way, None).await.map(|_| ())
    }

    /// Sends a call as this person. A token that the host no longer takes is renewed, once.
    pub async fn call<W: Way>(&self, way: &W, call: &Call) -> Result<Value, W::Error> {
        let mut stale = None;
        loop {
            let token = self.token(way, stale.as_deref()).await?;
            match way.send(call, Some(&token)).await {
                Err(error) if stale.is_none() && W::refusal(&error) == Some(Refusal::SignIn) => {
                    stale = Some(token);
                }
                other => return other,
            }
        }
    }

    /// A token that is not the `stale` one. Whoever comes second waits here, and finds the new one.
    async fn token<W: Way>(&self, way: &W, stale: Option<&str>) -> Result<String, W::Error> {
        let mut held = self.tokens.lock().await;
        if let Some(tokens) = held.as_ref()
            && stale != Some(&tokens.access)
        {
            return Ok(tokens.access.clone());
        }
        let renewal = |ended: &Tokens| Call::renew(self.person, &ended.refresh);
        let mut renewal = held.as_ref().map(renewal);
        let tokens = loop {
            let renews = renewal.is_some();
            let call = match renewal.take() {
                Some(call) => call,
                None => {
                    // What the host does not take any more shall not be tried again.
                    held.take();
                    self.signed(way).await?
                }
            };
            match way.send(&call, None).await {
                Ok(answer) => match Tokens::read(&answer) {
                    Some(tokens) => break tokens,
                    None if renews => {}
                    None => return Err(SignInError::NoTokens.into()),
                },
                // A host that cannot be reached has not said that it wants a signature again.
                Err(error)
                    if !renews || matches!(W::refusal(&error), None | Some(Refusal::Busy)) =>
                {
                    return Err(error);
                }
                Err(_) => {}
            }
        };
        way.keep(&tokens);
        let token = tokens.access.clone();
        held.replace(tokens);
        Ok(token)
    }

    async fn signed<W: Way>(&self, way: &W) -> Result<Call, W::Error> {
        let text = async {
            let answer = way.send(&Call::message(self.person), None).await?;
            let text = answer[0]["message"].as_str().unwrap_or_default();
            if is_sign_in(text) {
                Ok(text.to_owned())
            } else {
                Err(SignInError::OtherText.into())
            }
        };
        let (text, signature) = way.sign(text).await?;
        if recover_eip191(&text, &signature).ok() != Some(self.person) {
            return Err(SignInError::OtherAccount.into());
        }
        Ok(Call::sign_in(self.person, &signature.to_string()))
    }
}

/// Known words, then one of the host's own.
fn is_sign_in(text: &str) -> bool {
    text.len() <= LONGEST_TEXT
        && text
            .strip_prefix(TEXT)
            .is_some_and(|nonce| nonce.bytes().all(|byte| byte.is_ascii_graphic()))
}

#[cfg(test)]
#[cfg(feature = "node")]
mod tests;
