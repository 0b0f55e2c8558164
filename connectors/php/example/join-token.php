<?php
// Prints a join token, as a shop puts it into the link to the waiting room.
declare(strict_types=1);

require __DIR__ . '/../JoinToken.php';

echo Penstock\JoinToken::sign(
    customer: (string) getenv('JOIN_CUSTOMER'),
    audience: (string) getenv('PENSTOCK_SALE'),
    validSeconds: (int) getenv('JOIN_SECONDS'),
    key: (string) getenv('JOIN_KEY'),
    keyId: (string) getenv('JOIN_KEY_ID'),
    lane: getenv('JOIN_LANE') ?: null,
), "\n";
