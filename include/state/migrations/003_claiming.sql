-- While a claim is under way, or was killed and is about to be tried again, its half-emptied drop is no new one.
ALTER TABLE voiceman.incoming_drop ADD COLUMN claimed_at timestamptz;
COMMENT ON COLUMN voiceman.incoming_drop.claimed_at IS
    'When a claim that has not ended was last at work; an older one than a minute has given up.';
