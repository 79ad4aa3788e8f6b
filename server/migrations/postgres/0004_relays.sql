-- What wallets have signed, so that other relays need not take our word for it. Empty: from before this was kept; the
-- device's next join fills it in.
ALTER TABLE devices ADD COLUMN issued_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN signature BYTEA NOT NULL DEFAULT '';
ALTER TABLE revocations ADD COLUMN signature BYTEA NOT NULL DEFAULT '';
