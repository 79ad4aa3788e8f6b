-- Who was taken off a room's list, and in which block, as long as they are off it: what is said afterwards is sealed
-- with a key made after it.
CREATE TABLE removals (
    room   BLOB    NOT NULL,
    person BLOB    NOT NULL,
    block  INTEGER NOT NULL,
    PRIMARY KEY (room, person)
) WITHOUT ROWID;

-- Removals before this table was there are read again, with all events.
DELETE FROM registry_state;
