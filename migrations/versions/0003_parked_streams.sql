-- A stream whose messages end the reader again and again is parked, with its reason; its history is read on.

ALTER TABLE user_exchange_connections
    DROP CONSTRAINT user_exchange_connections_stream_state_check,
    ADD CONSTRAINT user_exchange_connections_stream_state_check
        CHECK (stream_state IN ('off', 'connecting', 'live', 'lost', 'refused', 'parked')),
    ADD COLUMN stream_reason text;                       -- why it is lost, refused or parked
