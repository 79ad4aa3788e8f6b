//! The open room, cut into slices: each part of the page follows only what it shows, so that a vote never redraws
//! the composer and a message never redraws the picture.

use std::{collections::HashMap, sync::Arc};

use healthsync_core::{EventId, Person, RoomId};
use leptos::prelude::*;

use crate::client::{
    Client,
    model::{
        Attachment, CaseRow, Files, Intent, MemberRow, MessageRow, MintRow, MintWork, PollRow,
        Profile, RegistryView, Role, RoomPhase, RoomView, Talk,
    },
};

/// Lies in the context of a room's page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoomScope {
    pub(crate) id: RoomId,
    pub(crate) phase: Memo<RoomPhase>,
    pub(crate) name: Memo<Option<String>>,
    pub(crate) owner: Memo<Option<Person>>,
    pub(crate) my_role: Memo<Option<Role>>,
    pub(crate) members: Memo<Arc<Vec<MemberRow>>>,
    pub(crate) registry: Memo<RegistryView>,
    pub(crate) member_error: Memo<Option<String>>,
    pub(crate) cases: Memo<Arc<Vec<CaseRow>>>,
    pub(crate) talk: Memo<Talk>,
    /// Messages on screen.
    followed: StoredValue<HashMap<EventId, RwSignal<Arc<MessageRow>>>>,
    /// How people want to be shown; who says nothing has an address.
    pub(crate) people: Memo<Arc<Vec<(Person, Profile)>>>,
    pub(crate) attachments: Memo<Arc<Vec<Attachment>>>,
    pub(crate) mints: Memo<Arc<Vec<MintRow>>>,
    mint_work: Memo<Arc<Vec<(EventId, MintWork)>>>,
    pub(crate) unsent: Memo<u32>,
    pub(crate) refused: Memo<Option<(u32, String)>>,
    pub(crate) draft: Memo<String>,
    pub(crate) case_waits: Memo<bool>,
    /// The case that a tab has chosen; the shown one is `open_case`.
    pub(crate) chosen_case: RwSignal<Option<EventId>>,
    pub(crate) open_case: Memo<Option<EventId>>,
    /// Whether "Ask the room" is open.
    pub(crate) asking: RwSignal<bool>,
    /// Whether "Mint this case" is open.
    pub(crate) minting: RwSignal<bool>,
    /// What the composer is for, when it is not for a new message.
    pub(crate) composing: RwSignal<Composing>,
    /// Files that came before the room was asked for; `None` from then on.
    early: StoredValue<Option<Vec<Files>>>,
}

/// What is being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Composing {
    #[default]
    Message,
    /// An answer to this message.
    Reply(EventId),
    /// Other words for one's own message, which stand in the field at first.
    Edit(EventId, String),
}

impl RoomScope {
    pub(crate) fn new(client: Client, id: RoomId) -> Self {
        let cases = slice(client, id, |room| room.cases.clone());
        let phase = slice_or(client, id, RoomPhase::Loading, |room| room.phase.clone());
        let chosen_case = RwSignal::new(None);
        Self {
            id,
            phase,
            name: slice(client, id, |room| room.name.clone()),
            owner: slice(client, id, |room| room.owner),
            my_role: slice(client, id, |room| room.my_role),
            members: slice(client, id, |room| room.members.clone()),
            registry: slice(client, id, |room| room.registry.clone()),
            member_error: slice(client, id, |room| room.member_error.clone()),
            cases,
            talk: slice(client, id, |room| room.talk.clone()),
            followed: StoredValue::new(HashMap::new()),
            people: slice(client, id, |room| room.talk.people.clone()),
            attachments: slice(client, id, |room| room.attachments.clone()),
            mints: slice(client, id, |room| room.mints.clone()),
            mint_work: slice(client, id, |room| room.mint_work.clone()),
            unsent: slice(client, id, |room| room.unsent),
            refused: slice(client, id, |room| room.refused.clone()),
            draft: slice(client, id, |room| room.draft.clone()),
            case_waits: slice(client, id, |room| room.case_waits),
            chosen_case,
            open_case: open_case(cases, phase, chosen_case),
            asking: RwSignal::new(false),
            composing: RwSignal::new(Composing::Message),
            minting: RwSignal::new(false),
            early: StoredValue::new(Some(Vec::new())),
        }
    }

    /// Asks for the room, and attaches what came before.
    pub(crate) fn open(self, client: Client) {
        client.send(Intent::OpenRoom(self.id));
        let early = self.early.try_update_value(Option::take).flatten();
        for files in early.into_iter().flatten() {
            client.send(Intent::Attach(files));
        }
    }

    /// Attaches files: somebody may pick some before the page has all of its scripts.
    pub(crate) fn attach(self, client: Client, files: Files) {
        let keep = |early: &mut Option<Vec<Files>>| match early {
            Some(early) => {
                early.push(files);
                None
            }
            None => Some(files),
        };
        if let Some(files) = self.early.try_update_value(keep).flatten() {
            client.send(Intent::Attach(files));
        }
    }

    /// One case by its id.
    pub(crate) fn case(self, id: EventId) -> Memo<Option<CaseRow>> {
        Memo::new(move |_| {
            self.cases
                .with(|cases| cases.iter().find(|case| case.id == id).cloned())
        })
    }

    /// One poll of a case.
    pub(crate) fn poll(self, case: EventId, id: EventId) -> Memo<Option<PollRow>> {
        Memo::new(move |_| {
            self.cases.with(|cases| {
                let case = cases.iter().find(|row| row.id == case)?;
                case.polls.iter().find(|poll| poll.id == id).cloned()
            })
        })
    }

    /// What is being done for a case that is to be proposed.
    pub(crate) fn mint_work_of(self, case: EventId) -> Option<MintWork> {
        self.mint_work.with(|all| {
            let found = all.iter().find(|(of, _)| *of == case);
            found.map(|(_, work)| work.clone())
        })
    }

    /// How many people may answer.
    pub(crate) fn readers(self) -> usize {
        self.members.with(|members| members.len())
    }

    /// Open polls of the open case in which this person has not voted.
    pub(crate) fn votes_due(self) -> usize {
        let Some(open) = self.open_case.get() else {
            return 0;
        };
        self.cases.with(|cases| {
            cases.iter().find(|case| case.id == open).map_or(0, |case| {
                case.polls
                    .iter()
                    .filter(|poll| poll.closed_at.is_none() && poll.my_vote.is_none())
                    .count()
            })
        })
    }

    /// The person's own words for who she is; else the short form of the address.
    pub(crate) fn name(self, person: Person) -> String {
        self.people.with(|people| {
            let profile = people.iter().find(|(known, _)| *known == person);
            let label = profile.and_then(|(_, profile)| profile.label());
            label.unwrap_or_else(|| person.short())
        })
    }

    /// What is said in one message and about it, followed for as long as the view that asks is there.
    pub(crate) fn follow_message(self, row: Arc<MessageRow>) -> RwSignal<Arc<MessageRow>> {
        let id = row.id;
        let followed = RwSignal::new(row);
        self.followed.update_value(|all| {
            all.insert(id, followed);
        });
        on_cleanup(move || {
            // Its successor may be there already.
            self.followed.try_update_value(|all| {
                if all.get(&id) == Some(&followed) {
                    all.remove(&id);
                }
            });
        });
        followed
    }

    /// Tells the messages on screen what has changed in them; most of the time that is one of many.
    pub(crate) fn update_messages(self) {
        self.talk.with(|talk| {
            self.followed.with_value(|all| {
                for row in talk.messages.iter() {
                    let Some(followed) = all.get(&row.id) else {
                        continue;
                    };
                    if followed.try_with_untracked(|before| !Arc::ptr_eq(before, row)) == Some(true)
                    {
                        followed.set(row.clone());
                    }
                }
            });
        });
    }

    pub(crate) fn may_manage(self) -> bool {
        let frozen = self.registry.with(|registry| registry.archived);
        !frozen && matches!(self.my_role.get(), Some(Role::Owner | Role::Moderator))
    }
}

pub(crate) fn use_room() -> RoomScope {
    expect_context()
}

fn slice<T>(client: Client, id: RoomId, read: fn(&RoomView) -> T) -> Memo<T>
where
    T: Default + PartialEq + Send + Sync + 'static,
{
    Memo::new(move |_| {
        client.room.with(|room| {
            room.as_ref()
                .filter(|room| room.id == id)
                .map(read)
                .unwrap_or_default()
        })
    })
}

fn slice_or<T>(client: Client, id: RoomId, first: T, read: fn(&RoomView) -> T) -> Memo<T>
where
    T: Clone + PartialEq + Send + Sync + 'static,
{
    Memo::new(move |_| {
        client.room.with(|room| {
            room.as_ref()
                .filter(|room| room.id == id)
                .map_or_else(|| first.clone(), read)
        })
    })
}

/// Which case the page shows: the chosen one; else the newest when the room opens, and then the same one, whatever
/// others add. One's own new case is shown at once.
fn open_case(
    cases: Memo<Arc<Vec<CaseRow>>>,
    phase: Memo<RoomPhase>,
    chosen: RwSignal<Option<EventId>>,
) -> Memo<Option<EventId>> {
    let newest_own = Memo::new(move |_| {
        cases.with(|cases| cases.iter().rev().find(|case| case.you).map(|c| c.id))
    });
    Effect::new(move |before: Option<Option<EventId>>| {
        let now = newest_own.get();
        let opened = phase.with_untracked(|phase| *phase == RoomPhase::Open);
        if opened && now.is_some() && before.is_some_and(|before| before != now) {
            chosen.set(now);
        }
        now
    });
    Memo::new(move |before: Option<&Option<EventId>>| {
        let settled = phase.with(|phase| *phase == RoomPhase::Open);
        cases.with(|cases| {
            let known = |id: &EventId| cases.iter().any(|case| case.id == *id);
            let before = before.copied().flatten().filter(|_| settled);
            chosen
                .get()
                .filter(known)
                .or_else(|| before.filter(known))
                .or_else(|| cases.last().map(|case| case.id))
        })
    })
}
