<?php
declare(strict_types=1);

namespace Penstock;

/**
 * What the shop says to the waiting room of a customer who is logged in: a JSON Web Token (RFC 7519).
 * Needs PHP 8.2, and for Ed25519 keys the sodium extension.
 */
final class JoinToken
{
    private const MAX_CUSTOMER_LENGTH = 128;
    private const MAX_LANE_BYTES = 32;
    private const MAX_LIFE_SECONDS = 24 * 3600;
    private const MIN_SECRET_BYTES = 32;
    /** What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410). */
    private const ED25519_HEAD = "\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

    /**
     * Returns the token for the address or the body with which a customer joins.
     *
     * @param string  $customer     the shop's own key of the customer, 1 to 128 characters: whoever has the same key
     *                              has the same place
     * @param string  $audience     the id of the sale, or what the sale says in identity.audience
     * @param int     $validSeconds for how long the token is good, 1 to 86400. A few minutes are enough
     * @param string  $key          an Ed25519 private key in PEM (EdDSA), or a secret of 32 bytes or more that is in
     *                              PENSTOCK_JOIN_KEYS too (HS256)
     * @param string  $keyId        the kid of the key in the shop's JWKS, or its id in PENSTOCK_JOIN_KEYS
     * @param ?string $lane         the priority lane in which the customer waits; null: that of everybody
     * @param ?string $issuer       what the sale says in identity.issuer
     *
     * @throws \InvalidArgumentException what Penstock would refuse
     */
    public static function sign(
        string $customer,
        string $audience,
        int $validSeconds,
        #[\SensitiveParameter] string $key,
        string $keyId,
        ?string $lane = null,
        ?string $issuer = null,
    ): string {
        self::check(preg_match('/^\P{Cc}{1,' . self::MAX_CUSTOMER_LENGTH . '}$/uD', $customer) === 1, 'the customer of a join token has 1 to 128 characters');
        self::check($audience !== '', 'a join token needs an audience, which is the id of the sale');
        self::check($validSeconds >= 1 && $validSeconds <= self::MAX_LIFE_SECONDS, 'a join token is valid for 1 to 86400 s');
        self::check(strlen($lane ?? '') <= self::MAX_LANE_BYTES, 'the lane of a join token has at most 32 bytes');
        self::check($keyId !== '', 'a join token needs the id of its key');
        $pair = self::keyPair($key);
        self::check($pair !== null || strlen($key) >= self::MIN_SECRET_BYTES, 'the secret of a join token has 32 bytes or more');
        $claims = ['sub' => $customer, 'aud' => $audience, 'exp' => time() + $validSeconds, 'lane' => $lane ?? '', 'iss' => $issuer ?? ''];
        $signed = self::encoded(self::json(['alg' => $pair === null ? 'HS256' : 'EdDSA', 'kid' => $keyId, 'typ' => 'JWT'])) . '.'
            . self::encoded(self::json(array_filter($claims, fn (string|int $value) => $value !== '')));
        $signature = $pair === null ? hash_hmac('sha256', $signed, $key, true) : sodium_crypto_sign_detached($signed, sodium_crypto_sign_secretkey($pair));
        return $signed . '.' . self::encoded($signature);
    }

    /** Returns the key pair of a key in PEM, and null for a secret. What looks like PEM never becomes a secret. */
    private static function keyPair(#[\SensitiveParameter] string $key): ?string
    {
        if (!str_starts_with(ltrim($key), '-----BEGIN')) {
            return null;
        }
        $read = preg_match('/^-----BEGIN PRIVATE KEY-----\s+([A-Za-z0-9+\/=\s]+)-----END PRIVATE KEY-----$/D', trim($key), $found) === 1;
        $der = $read ? (string) base64_decode($found[1], true) : '';
        self::check(strlen($der) === 48 && str_starts_with($der, self::ED25519_HEAD), 'a key in PEM is an Ed25519 private key (PKCS #8)');
        return sodium_crypto_sign_seed_keypair(substr($der, -32));
    }

    /** @param array<string, string|int> $value */
    private static function json(array $value): string
    {
        try {
            return json_encode($value, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
        } catch (\JsonException $error) {
            throw new \InvalidArgumentException('penstock: a join token is UTF-8', previous: $error);
        }
    }

    private static function encoded(string $bytes): string
    {
        return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
    }

    private static function check(bool $right, string $why): void
    {
        if (!$right) {
            throw new \InvalidArgumentException('penstock: ' . $why);
        }
    }
}
