-- Who made a room: their name for it counts, also when it is somebody else's by now. Whom it was offered to and has not
-- been taken by, and who left on their own.
ALTER TABLE rooms ADD COLUMN creator BLOB;
ALTER TABLE rooms ADD COLUMN offered BLOB;
ALTER TABLE removals ADD COLUMN by_self INTEGER NOT NULL DEFAULT 0;

-- What came before these columns is read again, with all events.
DELETE FROM registry_state;
