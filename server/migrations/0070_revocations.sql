-- Devices whose right to speak for a person has been ended by that person's wallet, for good.
CREATE TABLE revocations (
    device     BLOB    NOT NULL,
    person     BLOB    NOT NULL,
    revoked_at INTEGER NOT NULL,
    PRIMARY KEY (device, person)
) WITHOUT ROWID;
CREATE INDEX revocations_by_person ON revocations (person);
