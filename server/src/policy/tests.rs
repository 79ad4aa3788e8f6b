//! Who is let in, and what is taken from whom.

use healthsync_app::api::Backend;

use super::*;
use crate::test_support::{Someone, TestServer};

const ROOM: RoomId = RoomId([4; 32]);

fn policy_of(server: &TestServer) -> RoomPolicy {
    RoomPolicy::new(
        server.services.chain.clone(),
        server.services.mailbox.clone(),
        [1; 32],
    )
}

async fn join(policy: &RoomPolicy, who: &Someone, signature: [u8; 64]) -> RefusalCode {
    let refusal = policy
        .join(b"peer".to_vec(), ROOM, &who.delegation, &signature)
        .await;
    refusal.expect_err("there is no chain to ask").code
}

#[tokio::test]
async fn joins_are_refused_before_the_chain_is_asked() {
    let server =
        TestServer::start(&["--registry", "0x1111111111111111111111111111111111111111"]).await;
    let policy = policy_of(&server);
    let mut ada = Someone::new(1);
    let good = ada.device.sign(&join_message(&ROOM, b"peer"));
    assert_eq!(join(&policy, &ada, good).await, RefusalCode::Unavailable);
    let elsewhere = ada.device.sign(&join_message(&ROOM, b"another peer"));
    assert_eq!(
        join(&policy, &ada, elsewhere).await,
        RefusalCode::BadDelegation
    );
    ada.delegation.delegation.person = Someone::new(2).person;
    assert_eq!(join(&policy, &ada, good).await, RefusalCode::BadDelegation);
}

#[tokio::test]
async fn joins_in_somebody_elses_name_do_not_keep_her_out() {
    let server =
        TestServer::start(&["--registry", "0x1111111111111111111111111111111111111111"]).await;
    let policy = policy_of(&server);
    let ada = Someone::new(1);
    let mut refused = Vec::new();
    for n in 0..200_u8 {
        // From two connections, with any signature.
        let signature = [n; 64];
        let by = policy.join(vec![n % 2], ROOM, &ada.delegation, &signature);
        refused.push(by.await.expect_err("refused").code);
    }
    assert!(refused.contains(&RefusalCode::RateLimited));
    let good = ada.device.sign(&join_message(&ROOM, b"peer"));
    assert_eq!(join(&policy, &ada, good).await, RefusalCode::Unavailable);
}

#[tokio::test]
async fn everybody_hands_over_their_own_events_only() {
    let server = TestServer::start(&[]).await;
    let mailbox = &server.services.mailbox;
    let policy = policy_of(&server);
    let (mut ada, mut eve) = (Someone::new(1), Someone::new(2));
    for who in [&ada, &eve] {
        let known = KnownDevice {
            person: who.person,
            expires_at: clock::now().seconds() + 60,
            proof: None,
        };
        mailbox
            .remember_device(who.device.public(), known)
            .await
            .expect("remembered");
    }
    let admitted = (ada.person, ada.device.public());
    let first = ada.says(ROOM, "mine").encode();
    assert_eq!(
        policy.store(admitted, ROOM, first.clone()).await,
        Ok(Outcome::New)
    );
    assert_eq!(
        policy.store(admitted, ROOM, first.clone()).await,
        Ok(Outcome::Known)
    );
    // A history that has forked concerns one envelope; what is missing before another may still come.
    let mut copy = Someone::new(1);
    let forked = policy.store(admitted, ROOM, copy.says(ROOM, "other").encode());
    let forked = forked.await.expect_err("refused");
    assert!(
        forked.about_envelope && forked.message.contains("forked"),
        "{forked}"
    );
    copy.says(ROOM, "never sent");
    let gap = policy.store(admitted, ROOM, copy.says(ROOM, "too soon").encode());
    let gap = gap.await.expect_err("refused");
    assert!(
        !gap.about_envelope && gap.message.contains("does not follow"),
        "{gap}"
    );
    let foreign = eve.says(ROOM, "hers").encode();
    let code = |refused: Result<Outcome, Refusal>| refused.expect_err("refused").code;
    assert_eq!(
        code(policy.store(admitted, ROOM, foreign).await),
        RefusalCode::NotAllowed
    );
    assert_eq!(
        code(policy.store(admitted, RoomId([5; 32]), first.clone()).await),
        RefusalCode::NotAllowed
    );
    let mut forged = ada.says(ROOM, "mine, too").encode();
    *forged.last_mut().expect("not empty") ^= 1;
    assert_eq!(
        code(policy.store(admitted, ROOM, forged).await),
        RefusalCode::BadDelegation
    );
    let ended = KnownDevice {
        person: ada.person,
        expires_at: 1,
        proof: None,
    };
    mailbox
        .remember_device(ada.device.public(), ended)
        .await
        .expect("remembered");
    let late = ada.says(ROOM, "late").encode();
    assert_eq!(
        code(policy.store(admitted, ROOM, late).await),
        RefusalCode::BadDelegation
    );
}

#[tokio::test]
async fn a_revoked_device_is_refused_at_the_door_and_with_what_it_writes() {
    let server =
        TestServer::start(&["--registry", "0x1111111111111111111111111111111111111111"]).await;
    let mailbox = &server.services.mailbox;
    let policy = policy_of(&server);
    let mut ada = Someone::new(1);
    let (device, admitted) = (ada.device.public(), (ada.person, ada.device.public()));
    let revocation = ada.revokes(device);
    assert!(
        server
            .services
            .end_device(revocation.clone())
            .await
            .is_err(),
        "nobody knows her here"
    );
    let known = KnownDevice {
        person: ada.person,
        expires_at: clock::now().seconds() + 60,
        proof: None,
    };
    mailbox.remember_device(device, known).await.expect("kept");
    let before = ada.says(ROOM, "before").encode();
    assert_eq!(policy.store(admitted, ROOM, before).await, Ok(Outcome::New));
    let mut forged = revocation.clone();
    forged.revocation.device = Someone::new(2).device.public();
    assert!(server.services.end_device(forged).await.is_err());
    server.services.end_device(revocation).await.expect("taken");
    let after = ada.says(ROOM, "after").encode();
    let refused = policy.store(admitted, ROOM, after).await;
    assert_eq!(refused.expect_err("refused").code, RefusalCode::Revoked);
    // Before the chain is asked, which does not answer here.
    let good = ada.device.sign(&join_message(&ROOM, b"peer"));
    assert_eq!(join(&policy, &ada, good).await, RefusalCode::Revoked);
}

#[tokio::test]
async fn topics_differ_by_room_and_stay() {
    let server = TestServer::start(&[]).await;
    let policy = |secret| {
        RoomPolicy::new(
            server.services.chain.clone(),
            server.services.mailbox.clone(),
            secret,
        )
    };
    assert_eq!(policy([1; 32]).topic(ROOM), policy([1; 32]).topic(ROOM));
    assert_ne!(policy([1; 32]).topic(ROOM), policy([2; 32]).topic(ROOM));
    assert_ne!(
        policy([1; 32]).topic(ROOM),
        policy([1; 32]).topic(RoomId([5; 32]))
    );
}

/// As if the chain had just said that they are on the list.
fn on_the_list(policy: &RoomPolicy, who: &Someone) {
    policy
        .let_in()
        .insert((ROOM, who.person), std::time::Instant::now());
}

#[tokio::test]
async fn what_another_relay_hands_over_is_checked_as_if_its_writer_had() {
    let server =
        TestServer::start(&["--registry", "0x1111111111111111111111111111111111111111"]).await;
    let mailbox = &server.services.mailbox;
    let policy = policy_of(&server);
    let (mut ada, mut eve) = (Someone::new(1), Someone::new(2));
    on_the_list(&policy, &ada);
    let admitted = (ada.person, ada.device.public());
    let first = ada.says(ROOM, "first").encode();
    let code = |refused: Result<(Person, DeviceKey), Refusal>| refused.expect_err("refused").code;
    let now = async |bytes: &[u8], proof: Option<&SignedDelegation>| {
        policy.check_relayed(ROOM, bytes, proof, Taken::Now).await
    };

    // Nobody says whose device it is; somebody says so whose wallet has not.
    assert_eq!(code(now(&first, None).await), RefusalCode::BadDelegation);
    let of_another_device = Some(&eve.delegation);
    assert_eq!(
        code(now(&first, of_another_device).await),
        RefusalCode::BadDelegation
    );
    let mut forged = ada.delegation.clone();
    forged.delegation.expires_at += 1;
    assert_eq!(
        code(now(&first, Some(&forged)).await),
        RefusalCode::BadDelegation
    );
    assert_eq!(mailbox.device(admitted.1).await.expect("asked"), None);
    assert_eq!(now(&first, Some(&ada.delegation)).await, Ok(admitted));
    assert_eq!(policy.keep(admitted, first.clone()).await, Ok(Outcome::New));
    assert_eq!(
        policy.keep(admitted, first.clone()).await,
        Ok(Outcome::Known)
    );
    // From now on it is known whose it is, also to whoever asks this relay.
    assert_eq!(now(&first, None).await, Ok(admitted));
    let shown = policy.delegation(admitted.1).await.expect("asked");
    assert_eq!(shown.as_ref(), Some(&ada.delegation));
    let digest = mailbox.heads(ROOM).await.expect("heads").digest();
    assert_eq!(policy.rooms(None, 10).await, Ok(vec![(ROOM, digest)]));

    // A wallet can sign for any device; that does not take it away from its person.
    let claimed = eve.delegates(ada.device.public());
    assert_eq!(
        code(now(&first, Some(&claimed)).await),
        RefusalCode::NotAllowed
    );
    let mut altered = ada.says(ROOM, "second").encode();
    *altered.last_mut().expect("not empty") ^= 1;
    assert_eq!(code(now(&altered, None).await), RefusalCode::BadDelegation);
    let elsewhere = ada.says(RoomId([5; 32]), "elsewhere").encode();
    assert_eq!(code(now(&elsewhere, None).await), RefusalCode::NotAllowed);
    let long = vec![1; healthsync_core::limits::ENVELOPE_BYTES + 1];
    assert_eq!(code(now(&long, None).await), RefusalCode::TooLarge);
    // The chain is asked about everybody else, and does not answer here.
    let hers = eve.says(ROOM, "hers").encode();
    assert_eq!(
        code(now(&hers, Some(&eve.delegation)).await),
        RefusalCode::Unavailable
    );
    policy.removed(ROOM, ada.person);
    assert_eq!(code(now(&first, None).await), RefusalCode::Unavailable);
}

#[tokio::test]
async fn what_another_relay_has_kept_was_written_in_time_by_its_word() {
    let server = TestServer::start(&[]).await;
    let mailbox = &server.services.mailbox;
    let policy = policy_of(&server);
    let mut ada = Someone::new(1);
    on_the_list(&policy, &ada);
    let admitted = (ada.person, ada.device.public());
    let ended = KnownDevice {
        person: ada.person,
        expires_at: 1,
        proof: None,
    };
    let remembered = mailbox.remember_device(admitted.1, ended).await;
    remembered.expect("remembered");
    let event = ada.says(ROOM, "in time").encode();
    let check = async |proof: Option<&SignedDelegation>, taken| {
        policy.check_relayed(ROOM, &event, proof, taken).await
    };
    let code = |refused: Result<(Person, DeviceKey), Refusal>| refused.expect_err("refused").code;
    assert_eq!(
        code(check(None, Taken::Now).await),
        RefusalCode::BadDelegation
    );
    assert_eq!(check(None, Taken::Before).await, Ok(admitted));
    // A longer delegation of the same person counts from now on.
    let proof = Some(&ada.delegation);
    assert_eq!(check(proof, Taken::Now).await, Ok(admitted));
    let revocation = ada.revokes(admitted.1);
    let mut forged = revocation.clone();
    forged.revocation.revoked_at += 1;
    let refused = policy.revoke(forged).await.expect_err("refused");
    assert_eq!(refused.code, RefusalCode::BadDelegation);
    for _ in 0..2 {
        assert_eq!(policy.revoke(revocation.clone()).await, Ok(()));
    }
    assert_eq!(policy.revocations().await, Ok(vec![revocation]));
    assert_eq!(code(check(None, Taken::Now).await), RefusalCode::Revoked);
    assert_eq!(check(None, Taken::Before).await, Ok(admitted));
}
