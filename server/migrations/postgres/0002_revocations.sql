-- Devices whose right to speak for a person has been ended by that person's wallet, for good.
CREATE TABLE revocations (
    device     BYTEA  NOT NULL,
    person     BYTEA  NOT NULL,
    revoked_at BIGINT NOT NULL,
    PRIMARY KEY (device, person)
);
CREATE INDEX revocations_by_person ON revocations (person);
