//! Whatever people write is text: every main view is rendered with markup in all places where words of others
//! can stand, and none of it may come out as an element.

use std::sync::Arc;

use healthsync_core::{DeviceKey, EventId, Millis, OptionId, Person, RoomId, Sign};
use leptos::prelude::*;
use leptos_meta::provide_meta_context;
use leptos_router::{components::Router, location::RequestUrl};

use crate::{
    app::App,
    client::{
        Client,
        model::{
            Attachment, Bootstrap, CaseRow, Casting, ChainInfo, Contracts, Delivery, ImageLock,
            ImageRow, KeyNodeInfo, KeyProgress, LeftOut, MemberRow, MessageRow, Network, NewRoom,
            NodeShare, OptionRow, PinRow, PollRow, PollRules, Profile, Quote, ReactionRow, Role,
            RoomCard, RoomList, RoomPhase, RoomView, Session, Stage, StorageInfo, Talk, Toast,
            ToastKind, Trouble, TurnRow, TxState, WalletChoice,
        },
    },
    components::{
        ask::AskDialog, cases::CaseRegion, discussion::Discussion, people::PeoplePanel,
        poll::PollPanel, room_scope::RoomScope, sign_in::SignInDialog, sign_in::SignInOpen,
        toasts::Toasts, top_bar::TopBar,
    },
    pages::{new_room::NewRoomPage, rooms::RoomsPage},
};

const EVIL: &str = "</textarea></script><script>alert(1)</script><img src=x onerror=alert(1)>\"'";
const ME: Person = Person([1; 20]);
const OTHER: Person = Person([2; 20]);

fn evil() -> String {
    EVIL.to_owned()
}

fn trouble() -> Trouble {
    Trouble {
        what: evil(),
        kept: Some(evil()),
        next: Some(evil()),
    }
}

fn bootstrap() -> Bootstrap {
    Bootstrap {
        peer_id: evil(),
        addresses: vec![evil()],
        chain: ChainInfo {
            id: 31337,
            name: evil(),
            rpc: evil(),
            currency: evil(),
            explorer: Some(evil()),
        },
        contracts: Contracts {
            registry: Some(ME),
            token: None,
        },
        key_nodes: vec![node()],
        hosted: None,
        key_warning: evil(),
        storage: StorageInfo {
            url: evil(),
            max_upload: 1,
        },
        stun: vec![evil()],
        version: evil(),
    }
}

fn node() -> KeyNodeInfo {
    KeyNodeInfo {
        id: 1,
        name: evil(),
        url: String::new(),
        embedded: true,
    }
}

fn event(byte: u8) -> EventId {
    EventId([byte; 32])
}

fn member(person: Person, change: Option<TxState>) -> MemberRow {
    MemberRow {
        person,
        role: Role::Member,
        you: person == ME,
        here: true,
        typing: true,
        change,
    }
}

fn message(byte: u8, delivery: Delivery) -> MessageRow {
    MessageRow {
        id: event(byte),
        order: byte.into(),
        author: OTHER,
        you: false,
        text: evil(),
        at: Millis(1),
        to: Some(Quote {
            id: event(5),
            author: ME,
            text: Some(evil()),
        }),
        for_you: true,
        edited: Some(Millis(2)),
        earlier: vec![(Millis(1), evil())],
        retracted: false,
        pinned: true,
        reactions: vec![ReactionRow {
            sign: Sign::Agree,
            people: vec![ME, OTHER],
            mine: true,
        }],
        wrong_clock: true,
        delivery,
    }
}

fn talk() -> Talk {
    let profile = Profile {
        name: evil(),
        role: evil(),
        city: evil(),
    };
    Talk {
        messages: Arc::new(vec![
            Arc::new(message(5, Delivery::Stored)),
            Arc::new(message(6, Delivery::Waiting)),
            Arc::new(message(7, Delivery::Refused(trouble()))),
        ]),
        older: 3,
        fetching: Some((1, 2)),
        turns: Arc::new(vec![TurnRow {
            id: event(4),
            order: 6,
            at: Millis(1),
            removed: vec![OTHER],
            readers: 3,
        }]),
        pins: Arc::new(vec![PinRow {
            of: event(5),
            by: OTHER,
            text: evil(),
            case: false,
        }]),
        people: Arc::new(vec![(OTHER, profile)]),
        seen: 5,
        left_out: LeftOut {
            ahead: 1,
            ..LeftOut::default()
        },
        devices: Arc::default(),
        notifies: false,
    }
}

fn image(lock: ImageLock) -> ImageRow {
    ImageRow {
        cid: evil(),
        name: evil(),
        mime: evil(),
        size: 5,
        width: 1,
        height: 1,
        series: None,
        receipt: Some(healthsync_core::PhotoReceipt {
            tool: evil(),
            sha256: evil(),
            removed: vec![evil()],
        }),
        lock,
    }
}

fn poll(closed_at: Option<Millis>) -> PollRow {
    let option = |index| OptionRow {
        id: OptionId {
            event: event(9),
            index,
        },
        text: evil(),
        by: OTHER,
        count: 1,
        voters: vec![OTHER],
        mine: index == 0,
    };
    PollRow {
        id: event(9),
        case: event(8),
        asker: ME,
        you_asked: true,
        question: evil(),
        options: vec![option(0), option(1)],
        voted: 2,
        rules: PollRules {
            open_options: true,
            ..PollRules::default()
        },
        closed_at,
        contradicted: true,
        my_vote: Some(OptionId {
            event: event(9),
            index: 0,
        }),
        my_late_vote: Some(OptionId {
            event: event(9),
            index: 1,
        }),
        late: 2,
        casting: Some(Casting {
            option: OptionId {
                event: event(9),
                index: 1,
            },
            failed: Some(trouble()),
        }),
        said: event(9),
        delivery: Delivery::Refused(trouble()),
    }
}

fn room(lock: ImageLock, closed_at: Option<Millis>) -> RoomView {
    let mut room = RoomView::new(RoomId([3; 32]));
    room.phase = RoomPhase::Open;
    room.name = Some(evil());
    room.owner = Some(ME);
    room.my_role = Some(Role::Owner);
    room.members = Arc::new(vec![
        member(ME, None),
        member(OTHER, Some(TxState::Failed(trouble()))),
    ]);
    room.member_error = Some(evil());
    room.cases = Arc::new(vec![CaseRow {
        id: event(8),
        order: 8,
        author: OTHER,
        you: false,
        caption: format!("{EVIL}\n{EVIL}"),
        at: Millis(2),
        images: vec![image(lock)],
        polls: vec![poll(closed_at)],
        marks: Arc::default(),
        renewed: Some(Millis(3)),
        delivery: Delivery::Refused(trouble()),
    }]);
    room.talk = talk();
    room.attachments = Arc::new(vec![Attachment {
        id: 1,
        name: evil(),
        size: 4,
        preview: None,
        stage: Stage::Failed(trouble()),
        series: false,
        goes: true,
    }]);
    room.draft = evil();
    room.refused = Some((2, evil()));
    room
}

/// Renders inside an owner of its own, with a client whose signals `set` has filled.
fn html<V: IntoView + 'static>(
    path: &str,
    set: impl FnOnce(Client),
    view: impl Fn() -> V + Send + Sync + 'static,
) -> String {
    let owner = Owner::new();
    let html = owner.with(|| {
        provide_meta_context();
        provide_context(RequestUrl::new(path));
        let client = Client::new(Some(bootstrap()));
        provide_context(client);
        provide_context(SignInOpen(RwSignal::new(true)));
        set(client);
        provide_context(RoomScope::new(client, RoomId([3; 32])));
        view! { <Router>{view()}</Router> }.to_html()
    });
    owner.cleanup();
    html
}

#[track_caller]
fn assert_only_text(html: &str) {
    assert!(
        html.contains("alert(1)"),
        "the hostile text is not on the page at all: {html}"
    );
    assert!(!html.contains("<script>alert"), "{html}");
    assert!(!html.contains("<img src=x"), "{html}");
    assert!(!html.contains("</textarea></script>"), "{html}");
}

#[test]
fn the_open_room() {
    let locks = [
        ImageLock::Locked,
        ImageLock::LockedAgain,
        ImageLock::Shares(KeyProgress {
            needed: 3,
            nodes: vec![
                (node(), NodeShare::Denied { reason: evil() }),
                (node(), NodeShare::Down { reason: evil() }),
                (node(), NodeShare::Wrong),
            ],
        }),
        ImageLock::Fetching {
            received: 1,
            total: 2,
        },
        ImageLock::Denied { person: ME },
        ImageLock::Failed(trouble()),
    ];
    for lock in locks {
        for closed in [None, Some(Millis(5))] {
            let lock = lock.clone();
            let page = html(
                "/rooms/x",
                move |client| client.room.set(Some(room(lock, closed))),
                || view! { <CaseRegion /> <PollPanel /> <PeoplePanel /> <Discussion /> <AskDialog /> },
            );
            assert_only_text(&page);
        }
    }
}

#[test]
fn a_room_that_failed_or_waits_for_its_key() {
    for phase in [RoomPhase::Failed(trouble()), RoomPhase::Loading] {
        let page = html(
            "/rooms/x",
            move |client| {
                let mut room = room(ImageLock::Locked, None);
                room.phase = phase;
                client.room.set(Some(room));
            },
            || view! { <CaseRegion /> <Discussion /> },
        );
        assert_only_text(&page);
    }
}

#[test]
fn wallets_and_sessions() {
    let device = DeviceKey([4; 32]);
    let sessions = [
        Session::SignedOut,
        Session::Connecting { wallet: evil() },
        Session::Switching {
            wallet: evil(),
            person: ME,
        },
        Session::Signing {
            wallet: evil(),
            person: ME,
            device,
            issued_at: Millis(1),
            expires_at: Millis(2),
        },
        Session::ReadOnly {
            wallet: evil(),
            person: ME,
            why: trouble(),
        },
        Session::Ready {
            wallet: evil(),
            person: ME,
            device,
            expires_at: Millis(2),
            demo: false,
            keys: Some(evil()),
        },
    ];
    for session in sessions {
        let page = html(
            "/rooms",
            move |client| {
                client.session.set(session);
                client.network.set(Network::Offline {
                    since: Millis(1),
                    reason: evil(),
                });
                client.wallets.set(vec![WalletChoice {
                    id: evil(),
                    name: evil(),
                    icon: Some("javascript:alert(1)".into()),
                    demo: false,
                }]);
            },
            || view! { <TopBar /> <SignInDialog /> },
        );
        assert_only_text(&page);
        assert!(!page.contains("javascript:"), "{page}");
    }
}

#[test]
fn the_list_of_rooms() {
    let card = RoomCard {
        id: RoomId([3; 32]),
        name: Some(evil()),
        owner: OTHER,
        members: 2,
        archived: true,
        standing: crate::api::Standing::Member,
        unread: 1,
        mentioned: true,
        needs_opinion: true,
        last: Some(Millis(3)),
    };
    let page = html(
        "/rooms",
        move |client| {
            client.session.set(Session::ReadOnly {
                wallet: evil(),
                person: ME,
                why: trouble(),
            });
            client.rooms.set(RoomList::Stale(vec![card], trouble()));
        },
        || view! { <RoomsPage /> },
    );
    assert_only_text(&page);
}

#[test]
fn a_new_room_that_failed_and_the_toasts() {
    let page = html(
        "/rooms/new",
        |client| {
            client.new_room.set(NewRoom::Failed(trouble()));
            client.toasts.set(vec![Toast {
                id: 1,
                kind: ToastKind::Bad,
                text: evil(),
            }]);
        },
        || view! { <NewRoomPage /> <Toasts /> },
    );
    assert_only_text(&page);
}

/// The routes themselves: each page has its heading, and no inline style, which the policy would drop.
#[test]
fn pages_are_readable_without_scripts() {
    let pages = [
        ("/", "<h1>A second opinion"),
        ("/rooms", "<h1>Rooms"),
        ("/rooms/new", "<h1>New room"),
        ("/verify", "<h1>Verify a result"),
        ("/no/such/page", "<h1>There is no page here"),
    ];
    for (path, heading) in pages {
        let owner = Owner::new();
        let page = owner.with(|| {
            provide_context(RequestUrl::new(path));
            provide_context(bootstrap());
            view! { <App /> }.to_html()
        });
        assert!(page.contains(heading), "{path}: {page}");
        assert!(!page.contains("style=\""), "{path} has an inline style");
        assert!(!page.contains("<script>alert"), "{path}");
    }
}
