<?php
// What join tokens say, and what is not signed: `php test/jointoken_test.php`.
declare(strict_types=1);

use Penstock\JoinToken;

require __DIR__ . '/../JoinToken.php';

const SECRET = 'a-shared-secret-of-thirty-two-by';

function decoded(string $part): string
{
    return sodium_base642bin($part, SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING);
}

function same(mixed $got, mixed $want): void
{
    if ($got !== $want) {
        throw new LogicException(json_encode($got) . ', want ' . json_encode($want));
    }
}

/** Checks a token of Zoë/7 whose signature holds. */
function saysAll(string $token, string $algorithm, int $before): void
{
    [$head, $claims] = array_map(fn (string $part) => json_decode(decoded($part), true), array_slice(explode('.', $token), 0, 2));
    same($head, ['alg' => $algorithm, 'kid' => 'k1', 'typ' => 'JWT']);
    $exp = $claims['exp'];
    same($claims, ['sub' => 'Zoë/7', 'aud' => 'drop', 'exp' => $exp, 'lane' => 'vip', 'iss' => 'shop']);
    same(is_int($exp) && $exp >= $before + 300 && $exp <= time() + 300, true);
}

$pair = sodium_crypto_sign_keypair();
$der = "\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20" . substr(sodium_crypto_sign_secretkey($pair), 0, 32);
$pem = "-----BEGIN PRIVATE KEY-----\n" . base64_encode($der) . "\n-----END PRIVATE KEY-----\n";

$tests = [
    'a join token with a shared secret' => function (): void {
        $before = time();
        $token = JoinToken::sign('Zoë/7', 'drop', 300, SECRET, 'k1', 'vip', 'shop');
        saysAll($token, 'HS256', $before);
        [$head, $claims, $signature] = explode('.', $token);
        same(hash_equals(hash_hmac('sha256', "$head.$claims", SECRET, true), decoded($signature)), true);
    },
    'a join token with an Ed25519 key' => function () use ($pem, $pair): void {
        $before = time();
        $token = JoinToken::sign('Zoë/7', 'drop', 300, $pem, 'k1', 'vip', 'shop');
        saysAll($token, 'EdDSA', $before);
        [$head, $claims, $signature] = explode('.', $token);
        same(sodium_crypto_sign_verify_detached(decoded($signature), "$head.$claims", sodium_crypto_sign_publickey($pair)), true);
    },
    'what is not said is not in a join token' => function (): void {
        $claims = json_decode(decoded(explode('.', JoinToken::sign('7', 'drop', 60, SECRET, 'k1'))[1]), true);
        same(array_keys($claims), ['sub', 'aud', 'exp']);
    },
    'a join token that would be refused is not signed' => function () use ($pem): void {
        $good = ['customer' => '7', 'audience' => 'drop', 'validSeconds' => 60, 'key' => SECRET, 'keyId' => 'k1'];
        $changes = [
            ['customer' => ''], ['customer' => str_repeat('é', 129)], ['customer' => "a\nb"], ['customer' => "7\n"], ['customer' => "\xff"],
            ['audience' => ''], ['audience' => "\xff"], ['validSeconds' => 0], ['validSeconds' => 86401], ['lane' => str_repeat('v', 33)],
            ['keyId' => ''], ['key' => substr(SECRET, 1)], ['key' => str_replace('PRIVATE', 'PUBLIC', $pem)], ['key' => substr($pem, 0, 60)],
        ];
        foreach ($changes as $change) {
            try {
                $token = JoinToken::sign(...array_merge($good, $change));
            } catch (InvalidArgumentException) {
                continue;
            }
            throw new LogicException(var_export($change, true) . " is signed: $token");
        }
    },
];
$failed = 0;
foreach ($tests as $name => $test) {
    try {
        $test();
        echo "ok   $name\n";
    } catch (Throwable $error) {
        echo "FAIL $name: {$error->getMessage()}\n";
        $failed++;
    }
}
exit($failed === 0 ? 0 : 1);
