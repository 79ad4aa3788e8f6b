//! Proposing to mint a case: the conversation is packed, sealed and stored first, and its key given to the key nodes;
//! then the proposer signs, and the room is asked. Nothing is on the chain until all have signed.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use futures::future::{AbortHandle, abortable};
use healthsync_core::{
    Bundle, Contributor, DeviceToken, EventId, Kind, MintAnswer, MintProposal, Person, Scope,
    SignedEvent, Terms, TokenId,
    conversation::{commitment, contributors, conversation, pointer},
    limits,
};
use healthsync_lighthouse::{cid_of, encrypt, generate, parse_cid};
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::keys::digest_of;
use crate::client::{
    browser::{
        http::upload,
        platform::{OCTETS, blob, now, random},
        rooms::{OpenRoom, key::NEEDED, write::limit_trouble},
        runtime::{Runtime, trouble},
    },
    model::{MintPlan, MintPreview, MintWork, Trouble},
};

/// How long contributors have to sign, in seconds: two weeks.
const TO_SIGN: u64 = 14 * 24 * 60 * 60;
/// Tokens of one case whose holders the key nodes let in.
const TOKENS_OF_A_CASE: usize = 8;
/// Gas of a mint with one contributor and for each further one, on a local chain: only for the preview, when nothing can
/// be estimated yet. Measured in `contracts/snapshots/Gas.json`.
const GAS: (u128, u128) = (300_000, 30_000);

impl Runtime {
    /// What minting this case would be about.
    pub(super) fn preview_mint(self: &Rc<Self>, case: EventId, discussion: bool) {
        let Some(room) = self.open_room() else { return };
        let mut preview = MintPreview {
            case: Some(case),
            members: room
                .facts
                .borrow()
                .as_ref()
                .map_or(0, |facts| facts.members.len()),
            ..MintPreview::default()
        };
        if let Some(log) = room.log.borrow().as_ref() {
            let events = conversation(log, &case, discussion, &BTreeSet::new());
            preview.people = contributors(&events).into_iter().collect();
            preview.entries = preview.people.iter().map(|(_, entries)| entries).sum();
            preview.images = log.state().case(&case).map_or(0, |case| case.images.len());
        }
        let people = preview.people.len() as u128;
        self.client.mint_preview.set(preview);
        let runtime = self.clone();
        spawn_local(async move {
            let gas = GAS.0 + GAS.1 * people.saturating_sub(1);
            let cost = runtime.price_of_gas(gas).await;
            runtime.client.mint_preview.update(|preview| {
                if preview.case == Some(case) {
                    preview.cost = cost;
                }
            });
        });
    }

    pub(super) fn propose_mint(self: &Rc<Self>, plan: MintPlan) {
        let Some(room) = self.open_room().filter(|room| room.is_open()) else {
            return;
        };
        let (runtime, shared, case) = (self.clone(), room.clone(), plan.case);
        start(&room.minting, case, async move {
            match runtime.propose(&shared, plan).await {
                Ok(()) => runtime.mint_work(&shared, case, None),
                Err(trouble) => runtime.mint_work(&shared, case, Some(MintWork::Failed(trouble))),
            }
        });
    }

    /// Shows what is being done for a case or proposal.
    pub(super) fn mint_work(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        of: EventId,
        work: Option<MintWork>,
    ) {
        match work {
            Some(work) => room.mint_work.borrow_mut().insert(of, work),
            None => room.mint_work.borrow_mut().remove(&of),
        };
        self.repaint(room);
    }

    pub(super) fn dismiss_mint(self: &Rc<Self>, of: EventId) {
        let Some(room) = self.open_room() else { return };
        // A transaction goes on: it is on the chain, or the wallet may still send it.
        if let Some(task) = room.minting.borrow_mut().remove(&of) {
            task.abort();
        }
        self.mint_work(&room, of, None);
    }

    async fn propose(self: &Rc<Self>, room: &Rc<OpenRoom>, plan: MintPlan) -> Result<(), Trouble> {
        const KEPT: Option<&str> = Some("Nothing was minted, and the case is unchanged.");
        room.needs_whole()?;
        let contract = self.token_contract()?;
        let Some((me, delegation)) = self.signer() else {
            return Err(trouble(
                "This browser may not sign for you yet.",
                KEPT,
                Some("Sign in the wallet, then propose again."),
            ));
        };
        let step = |text| self.mint_work(room, plan.case, Some(MintWork::Preparing(text)));
        step("Packing the conversation");
        let packed = self.pack(room, &plan, me.person)?;

        step("Encrypting it");
        let salt = packed.salt;
        let (key, shares) = generate(NEEDED, self.bootstrap.key_nodes.len(), |bytes| {
            *bytes = random::<32>()
        })
        .map_err(|error| trouble(format!("A key could not be made: {error}."), KEPT, None))?;
        let sealed = encrypt(packed.bundle.encode(), &key, random::<16>(), random::<12>())
            .await
            .map_err(|error| trouble(format!("It could not be encrypted: {error}."), KEPT, None))?;
        let bundle = cid_of(&sealed).await;
        let digest = digest_of(&bundle).unwrap_or_default();

        step("Storing it");
        let scope = Scope::Upload {
            cid: bundle.clone(),
        };
        let token = DeviceToken::sign(delegation, scope, now(), random::<16>(), &me.device);
        let url = format!(
            "{}/api/v0/add?wrap-with-directory=false&cid-version=1",
            self.bootstrap.storage.url
        );
        let name = hex::encode(random::<16>());
        let file = blob(&sealed, OCTETS).map_err(|_| {
            trouble(
                "The browser has no room for it.",
                KEPT,
                Some("Propose again."),
            )
        })?;
        let stored = upload(&url, &file, &name, &token.to_bearer(), |_, _| ())
            .await
            .map_err(|error| {
                let what = format!("The sealed conversation could not be stored: {error}.");
                trouble(what, KEPT, Some("Propose again."))
            })?;
        if parse_cid(stored[0]["Hash"].as_str().unwrap_or_default()).ok() != parse_cid(&bundle).ok()
        {
            return Err(trouble(
                "The storage answered with another content id than the conversation has.",
                KEPT,
                Some("Propose again; if it stays, tell whoever runs the storage."),
            ));
        }

        let mut files = packed.bundle.files.clone();
        files.push(bundle.clone());
        let ids: Vec<EventId> = packed.events.iter().map(SignedEvent::id).collect();
        let terms = Terms {
            commitment: commitment(&salt, &ids, &files),
            pointer: pointer(&digest, key.as_bytes()),
            contributors: packed.contributors,
            holder: me.person,
            editions: packed.editions,
            quorum: plan.quorum,
            royalty: plan.royalty,
            deadline: now().seconds() + TO_SIGN,
            nonce: random::<32>(),
        };
        terms.check().map_err(|error| limit_trouble(&error))?;
        let chain_id = self.bootstrap.chain.id;
        let id = terms.token(chain_id, &contract);

        step("Giving its key to the key nodes");
        let cid = self.token_key_cid(id, &contract);
        self.save_token_shares(&cid, &shares, contract, id).await?;
        let mut tokens = self.tokens_of_case(room, plan.case, &contract);
        tokens.push(id);
        let newest = tokens.len().saturating_sub(TOKENS_OF_A_CASE);
        for image in &packed.bundle.files {
            self.open_image_to_holders(image, room.id, contract, &tokens[newest..])
                .await?;
        }

        let consenting = terms.contributors.iter().any(|c| c.person == me.person);
        let signature = if consenting {
            self.mint_work(room, plan.case, Some(MintWork::Signing));
            Some(
                self.sign_terms(&terms, contract, "The proposal was not made.")
                    .await?,
            )
        } else {
            None
        };
        let proposal = MintProposal {
            case: plan.case,
            contract,
            terms,
            salt,
            events: ids,
            bundle,
        };
        let said = self
            .say(room, vec![Kind::MintProposal(Box::new(proposal))])
            .await?;
        if let (Some(signature), Some(proposal)) = (signature, said.first()) {
            let answer = MintAnswer::Signed {
                signature: hex::encode(signature),
            };
            let proposal = *proposal;
            self.say(room, vec![Kind::MintConsent { proposal, answer }])
                .await?;
        }
        Ok(())
    }

    fn pack(&self, room: &OpenRoom, plan: &MintPlan, me: Person) -> Result<Packed, Trouble> {
        let gone = || {
            trouble(
                "The case is not here any more.",
                None,
                Some("Reload the page."),
            )
        };
        let log = room.log.borrow();
        let log = log.as_ref().ok_or_else(gone)?;
        let case = log.state().case(&plan.case).ok_or_else(gone)?;
        if case.person != me {
            return Err(trouble(
                "Only who shared a case can mint it: the keys of its images are theirs.",
                None,
                Some("Ask them to propose it."),
            ));
        }
        let shares: BTreeMap<Person, u16> = plan.shares.iter().copied().collect();
        let all = conversation(log, &plan.case, plan.discussion, &BTreeSet::new());
        let mut leave_out: BTreeSet<Person> = contributors(&all).into_keys().collect();
        leave_out.retain(|person| !shares.contains_key(person));
        let events = conversation(log, &plan.case, plan.discussion, &leave_out);
        limits::check_count(
            "The conversation",
            "entries",
            events.len(),
            limits::MINTED_EVENTS,
        )
        .map_err(|error| trouble(error.to_string(), None, Some("Leave the discussion out.")))?;
        // With somebody left out, somebody else may have nothing left in it.
        let people = contributors(&events);
        if let Some(idle) = shares.keys().find(|person| !people.contains_key(person)) {
            return Err(trouble(
                format!(
                    "{} has no entry left in what is to be minted.",
                    idle.short()
                ),
                None,
                Some("Leave them out, too, or take in whom they answered."),
            ));
        }
        let contributors = shares
            .into_iter()
            .map(|(person, share)| Contributor { person, share });
        let members = room.facts.borrow();
        let members = members
            .iter()
            .flat_map(|facts| &facts.members)
            .map(|member| member.person);
        let editions = members
            .filter(|person| plan.editions && *person != me)
            .collect();
        let salt = random::<32>();
        let files = case.images.iter().map(|image| image.cid.clone()).collect();
        let origin = (room.id, room.maker().unwrap_or(me), self.bootstrap.chain.id);
        Ok(Packed {
            bundle: Bundle::new(origin, plan.case, salt, &events, files),
            salt,
            contributors: contributors.collect(),
            editions,
            events,
        })
    }

    /// Conversations that this case was proposed as before, and might be minted as.
    fn tokens_of_case(&self, room: &OpenRoom, case: EventId, contract: &Person) -> Vec<TokenId> {
        let log = room.log.borrow();
        let mints = log.iter().flat_map(|log| &log.state().mints);
        mints
            .filter(|mint| mint.proposal.case == case && mint.proposal.contract == *contract)
            .map(|mint| mint.terms().token(self.bootstrap.chain.id, contract))
            .collect()
    }

    /// The wallet's consent to these terms.
    pub(super) async fn sign_terms(
        &self,
        terms: &Terms,
        contract: Person,
        what: &str,
    ) -> Result<Vec<u8>, Trouble> {
        let Some(me) = self.me() else {
            return Err(trouble(
                what,
                None,
                Some("Connect a wallet, then try again."),
            ));
        };
        let chain_id = self.bootstrap.chain.id;
        let hash = terms.signing_hash(chain_id, &contract);
        let json = terms.typed_data_json(chain_id, &contract);
        let signed = me
            .wallet
            .sign_for_contract(&self.chain, me.person, &json, &hash)
            .await;
        signed.map_err(|error| error.trouble(what, None))
    }
}

/// Runs what is done for a case or proposal until it is through, or its handle says stop; what was done for the same one
/// before ends.
pub(super) fn start(
    tasks: &RefCell<BTreeMap<EventId, AbortHandle>>,
    of: EventId,
    work: impl Future<Output = ()> + 'static,
) {
    let (work, handle) = abortable(work);
    if let Some(before) = tasks.borrow_mut().insert(of, handle) {
        before.abort();
    }
    spawn_local(async move {
        // Aborted means that nobody waits for it any more.
        let _ = work.await;
    });
}

/// A conversation, ready to be sealed.
struct Packed {
    bundle: Bundle,
    salt: [u8; 32],
    contributors: Vec<Contributor>,
    editions: Vec<Person>,
    events: Vec<SignedEvent>,
}
