//! The node that runs in this tab, for this page and for its guests.

use futures::channel::oneshot;
use healthsync_core::{Millis, Person, Request};
use healthsync_net::{
    NetError, NodeHandle, Status,
    tabs::{Command, Desk, Message, NodeKey, Say, TabId},
};
use wasm_bindgen_futures::spawn_local;

use super::{
    Wanted,
    locks::{self, Lock},
    tab::{Input, Place, Tab, name_of},
};

pub(super) struct Host {
    pub(super) node: NodeHandle,
    pub(super) key: NodeKey,
    pub(super) since: Millis,
    /// Whose node it is: that of the first person who joined a room by it. Others would have their accounts linked by
    /// the peer id, and the relay admits one person for each peer and room.
    pub(super) person: Option<Person>,
    pub(super) status: Option<Status>,
    pub(super) desk: Desk,
    /// Guests, and the locks of their names: who gets one knows that its guest has gone.
    pub(super) guests: Vec<(TabId, Option<Lock>)>,
}

impl Host {
    /// Does what a tab asks, this one or a guest.
    pub(super) fn carry_out(&mut self, tab: TabId, command: Command) {
        let command = match command {
            Command::Leave(room) => match self.desk.leaves(tab, room) {
                Some(reached) => Command::Members(room, reached),
                None => Command::Leave(room),
            },
            Command::Members(room, members) => {
                Command::Members(room, self.desk.members(tab, room, members))
            }
            Command::Request(request, reply) => {
                if let Request::Join { room, .. } = &*request {
                    self.desk.joins(tab, *room);
                }
                Command::Request(request, reply)
            }
            other => other,
        };
        self.node.carry_out(command);
    }

    pub(super) fn gone(&mut self, guest: TabId) {
        self.guests.retain(|(tab, _)| *tab != guest);
        for room in self.desk.rooms_of(guest) {
            self.carry_out(guest, Command::Leave(room));
        }
    }
}

impl Tab {
    pub(super) fn serve(&mut self, message: Message, blob: Option<web_sys::Blob>) {
        let Message {
            tab,
            node,
            call,
            say,
        } = message;
        let Place::Host(host) = &mut self.place else {
            return;
        };
        if !matches!(say, Say::Who) && node != host.key {
            return;
        }
        if !host.guests.iter().any(|(known, _)| *known == tab) {
            let gone = (Some(Input::Gone(tab)), None);
            let name = locks::ask(&name_of(tab), false, &self.to_tab, gone);
            host.guests.push((tab, name));
        }
        match say {
            Say::Who => self.announce(tab),
            Say::Ask(Request::Leave { room }) => host.carry_out(tab, Command::Leave(room)),
            Say::Ask(request) => self.ask(tab, call, request),
            Say::Publish(room, data) => host.carry_out(tab, Command::Publish(room, data)),
            Say::Members(room, members) => host.carry_out(tab, Command::Members(room, members)),
            Say::Wake => host.node.wake(),
            Say::Keep(room, content, layout) => {
                if let Some(blob) = blob.filter(|blob| blob.size() == layout.size as f64) {
                    self.shelf.put(room, content, layout, blob);
                }
            }
            Say::Fetch {
                room,
                content,
                limit,
                patient,
            } => {
                let found = self.shelf.find(room, content);
                match (found, self.serve.borrow().as_ref()) {
                    (None, Some(fetch)) => fetch(Wanted {
                        room,
                        content,
                        limit,
                        patient,
                        round: self.round,
                        tab,
                        call,
                    }),
                    (found, _) => {
                        let blob = found.map(|(_, blob)| blob);
                        self.say(tab, call, Say::Fetched, blob.as_ref());
                    }
                }
            }
            _ => {}
        }
    }

    fn ask(&mut self, tab: TabId, call: u32, request: Request) {
        let Place::Host(host) = &mut self.place else {
            return;
        };
        if let Request::Join { delegation, .. } = &request {
            let person = delegation.delegation.person;
            if host.person.is_some_and(|of| of != person) {
                // It hears whose node this is, and goes.
                return self.announce(tab);
            }
            self.belong(person);
        }
        let Place::Host(host) = &mut self.place else {
            return;
        };
        let (reply, answer) = oneshot::channel();
        host.carry_out(tab, Command::Request(Box::new(request), reply));
        let (round, mut to_tab) = (self.round, self.to_tab.clone());
        spawn_local(async move {
            let answer = answer.await.unwrap_or(Err(NetError::Offline));
            // As in `Share::tell`.
            let _ = to_tab.try_send(Input::Say(round, tab, call, Say::Answer(answer), None));
        });
    }

    /// The first who joins a room by this node makes it theirs.
    pub(super) fn belong(&mut self, person: Person) {
        if let Place::Host(host) = &mut self.place
            && host.person.replace(person) != Some(person)
        {
            self.announce(0);
        }
    }

    /// Says to one guest, or to all, whose node this is and how it is.
    pub(super) fn announce(&self, tab: TabId) {
        if let Place::Host(host) = &self.place {
            let here = Say::Here {
                since: host.since,
                person: host.person,
                status: host.status.clone(),
            };
            self.say(tab, 0, here, None);
        }
    }
}
