//! What a browser keeps of rooms: as a file that the user saves or takes in, and how much of it there is.

use healthsync_core::RoomId;

use super::{Files, Trouble};

/// What a person asks for with a copy of a room.
#[derive(Clone, Debug)]
pub enum CopyIntent {
    /// The open room as a file; `keys`: whoever has the file can read it.
    Save { keys: bool },
    /// Take in what a file has.
    TakeIn(Files),
    /// How much of which room is kept here.
    Measure,
    /// Forget what is kept here of a room; the relay has it.
    Forget(RoomId),
}

/// What this browser keeps, in megabytes, and of which rooms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    pub used: u32,
    /// 0: the browser does not say.
    pub quota: u32,
    /// The largest first.
    pub rooms: Vec<KeptRoom>,
}

/// A room's copy in this browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRoom {
    pub room: RoomId,
    pub name: Option<String>,
    pub events: u32,
}

/// How far taking in a copy has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CopyWork {
    #[default]
    None,
    Checking,
    Done(CopyReport),
    Failed(Trouble),
}

/// What a copy had. Each event in it was checked as if it had come from the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyReport {
    pub room: RoomId,
    pub new: u32,
    pub known: u32,
    /// Why events were refused, and how many for each reason.
    pub refused: Vec<(&'static str, u32)>,
}
