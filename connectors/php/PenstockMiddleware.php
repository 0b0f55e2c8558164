<?php
declare(strict_types=1);

namespace Penstock;

use Psr\Http\Message\ResponseFactoryInterface;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Server\MiddlewareInterface;
use Psr\Http\Server\RequestHandlerInterface;

/** This is no pass or code of the sale, here and now. */
final class Refused extends \RuntimeException
{
}

/** Whether it is one could not be found out. */
final class Unsure extends \RuntimeException
{
}

/** The admission of a visitor. A request that was let through has it as the attribute "penstock". */
final class Pass
{
    /**
     * @param string $token     the pass as Penstock takes it in the header Penstock-Pass
     * @param string $ticket    the visitor's number in the line, in decimal
     * @param int    $expiresAt Unix seconds
     */
    public function __construct(
        public readonly string $token,
        public readonly string $sale,
        public readonly string $ticket,
        public readonly int $expiresAt,
    ) {
    }
}

/**
 * Keeps pages of a shop for the visitors whom Penstock's waiting room admitted (PSR-15).
 *
 * The answer to those without a valid pass is 303 to the waiting room, or 401 where that would be of no use
 * (other methods than GET and HEAD, requests of scripts), or 503 when the pass could not be checked.
 * Needs PHP 8.2 with the sodium extension, and allow_url_fopen.
 */
final class PenstockMiddleware implements MiddlewareInterface
{
    private const ASK_SECONDS = 3.0;
    private const MAX_ANSWER_BYTES = 64 * 1024;
    private const MAX_TOKEN_BYTES = 1024;
    /** By how much the clock of this server may be behind that of Penstock's Redis. */
    private const CLOCK_LEEWAY_SECONDS = 5;
    /** What codes and passes are made of. Nothing else is asked about. */
    private const TOKEN_FORM = '/^[A-Za-z0-9._-]{1,1024}$/D';
    /** How often keys are asked for at most, whatever visitors bring. */
    private const ASK_EVERY_SECONDS = 10;
    private const MAX_FRESH_SECONDS = 3600;
    private const DEFAULT_FRESH_SECONDS = 300;
    /** For how long an answer to "does the sale need a pass" is kept. */
    private const OPEN_EVERY_SECONDS = 5;

    private readonly string $api;
    private readonly string $cookie;

    /**
     * @param string  $sale         the id of the sale
     * @param string  $roomUrl      where visitors reach the waiting room, such as https://queue.shop.example
     * @param string  $cacheDir     a directory of this application alone; who can write there can forge passes
     * @param ?string $apiUrl       where this server reaches Penstock; null: $roomUrl
     * @param ?string $shopUrl      where visitors reach this shop; null: as each request says
     * @param ?string $cookieName   where the pass is kept; null: penstock_pass_ and the sale
     * @param bool    $online       ask Penstock at each request whether the pass was given back
     * @param int     $staleSeconds for how long keys that are due to be read again are used while Penstock
     *                              does not answer
     */
    public function __construct(
        private readonly ResponseFactoryInterface $responses,
        private readonly string $sale,
        private readonly string $roomUrl,
        private readonly string $cacheDir,
        ?string $apiUrl = null,
        private readonly ?string $shopUrl = null,
        ?string $cookieName = null,
        private readonly bool $online = false,
        private readonly int $staleSeconds = 3600,
    ) {
        if (preg_match('/^[a-z0-9-]{1,64}$/D', $sale) !== 1) {
            throw new \InvalidArgumentException('penstock: sale is not the id of a sale');
        }
        $this->api = $apiUrl ?? $roomUrl;
        $this->cookie = $cookieName ?? 'penstock_pass_' . $sale;
        foreach ([$roomUrl, $this->api, $shopUrl ?? $roomUrl] as $address) {
            if (preg_match('~^https?://[A-Za-z0-9.:\[\]-]+(/[^?#\s]*)?$~D', $address) !== 1) {
                throw new \InvalidArgumentException('penstock: "' . $address . '" is not an http(s) address');
            }
        }
        if (!is_dir($cacheDir) || !is_writable($cacheDir)) {
            throw new \InvalidArgumentException('penstock: cacheDir is not a directory that can be written');
        }
    }

    public function process(ServerRequestInterface $request, RequestHandlerInterface $handler): ResponseInterface
    {
        $brought = self::broughtBy($request);
        if ($brought !== null) {
            return $this->receive($request, $brought);
        }
        try {
            $request = $request->withAttribute('penstock', $this->admission($request));
        } catch (Refused) {
            if (!$this->isOpen()) {
                return $this->refuse($request);
            }
        } catch (Unsure $error) {
            return $this->unsure($error);
        }
        return $handler->handle($request);
    }

    /** Returns the pass that the visitor's cookie holds. */
    private function admission(ServerRequestInterface $request): Pass
    {
        $pass = $this->verify((string) ($request->getCookieParams()[$this->cookie] ?? ''));
        if ($this->online) {
            $this->askOnline($pass->token, $request);
        }
        return $pass;
    }

    /**
     * Turns what a visitor brought from the waiting room into a cookie, and takes it out of the address.
     * Whoever has a valid cookie goes on with it, whatever becomes of the rest.
     *
     * @param array{code: string, pass: string} $brought
     */
    private function receive(ServerRequestInterface $request, array $brought): ResponseInterface
    {
        $clean = $this->seeOther($this->addressOf($request));
        try {
            $pass = $this->take($brought);
            return $clean->withAddedHeader('Set-Cookie', $this->cookieOf($request, $pass));
        } catch (Refused | Unsure $error) {
            try {
                $this->admission($request);
                return $clean;
            } catch (Refused | Unsure) {
                return $error instanceof Unsure ? $this->unsure($error) : $this->refuse($request);
            }
        }
    }

    /**
     * Returns the valid pass for what a visitor brought.
     *
     * @param array{code: string, pass: string} $brought
     */
    private function take(array $brought): Pass
    {
        if ($brought['code'] === '') {
            return $this->verify($brought['pass']);
        }
        $token = $this->redeem($brought['code']);
        try {
            return $this->verify($token);
        } catch (Refused) {
            // It is from Penstock itself: the sale, the keys or the clock of this server are not right. Sending
            // the visitor back to the waiting room would be for ever.
            throw new Unsure('the pass that Penstock gave is not valid here; look at sale, apiUrl and the clock');
        }
    }

    // What the visitor sees.

    /** Sends a person to the waiting room, and tells a program. */
    private function refuse(ServerRequestInterface $request): ResponseInterface
    {
        $room = rtrim($this->roomUrl, '/') . '/sales/' . $this->sale;
        $mode = $request->getHeaderLine('Sec-Fetch-Mode');
        // A script could not follow to another host.
        if (in_array($request->getMethod(), ['GET', 'HEAD'], true) && in_array($mode, ['', 'navigate'], true)) {
            return $this->seeOther($room . '?return=' . rawurlencode($this->addressOf($request)));
        }
        $response = $this->responses->createResponse(401)
            ->withHeader('Content-Type', 'application/problem+json')->withHeader('Cache-Control', 'no-store');
        $response->getBody()->write(json_encode([
            'type' => 'urn:penstock:problem:pass_required', 'title' => 'A pass from the waiting room is required',
            'status' => 401, 'code' => 'pass_required', 'waiting_room' => $room,
        ], JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES));
        return $response;
    }

    /** The address that a browser leaves may hold a code, which is nobody else's business. */
    private function seeOther(string $location): ResponseInterface
    {
        return $this->responses->createResponse(303)->withHeader('Location', $location)
            ->withHeader('Cache-Control', 'no-store')->withHeader('Referrer-Policy', 'no-referrer');
    }

    private function unsure(Unsure $error): ResponseInterface
    {
        error_log('penstock: a visitor of ' . $this->sale . ' cannot be let in: ' . $error->getMessage());
        $response = $this->responses->createResponse(503)->withHeader('Content-Type', 'text/plain; charset=utf-8')
            ->withHeader('Retry-After', '2')->withHeader('Cache-Control', 'no-store')->withHeader('Referrer-Policy', 'no-referrer');
        $response->getBody()->write("Your place in the shop cannot be checked at the moment. Please reload this page in a few seconds.\n");
        return $response;
    }

    private function cookieOf(ServerRequestInterface $request, Pass $pass): string
    {
        $seconds = max(1, $pass->expiresAt - time());
        return $this->cookie . '=' . $pass->token . '; Path=/; Max-Age=' . $seconds . '; HttpOnly; SameSite=Lax'
            . ($this->overTls($request) ? '; Secure' : '');
    }

    /**
     * What a visitor brought from the waiting room, or null. A HEAD request uses no code up: the GET that
     * follows needs it.
     *
     * @return ?array{code: string, pass: string}
     */
    private static function broughtBy(ServerRequestInterface $request): ?array
    {
        if ($request->getMethod() !== 'GET') {
            return null;
        }
        $query = $request->getQueryParams();
        $all = ['code' => $query['penstock_code'] ?? '', 'pass' => $query['penstock_pass'] ?? ''];
        if ($all === ['code' => '', 'pass' => '']) {
            return null;
        }
        return array_map(fn (mixed $text): string => is_string($text) && preg_match(self::TOKEN_FORM, $text) === 1 ? $text : '', $all);
    }

    /**
     * Where the visitor is, without what the waiting room added. It is absolute: a path that begins with two
     * slashes would lead to another host.
     */
    private function addressOf(ServerRequestInterface $request): string
    {
        $shop = $this->shopUrl;
        if ($shop === null) {
            $host = $request->getHeaderLine('Host') ?: $request->getUri()->getAuthority();
            $shop = ($this->overTls($request) ? 'https' : 'http') . '://' . $host;
        }
        $kept = array_filter(explode('&', $request->getUri()->getQuery()), function (string $part): bool {
            // PHP reads a dot, a space or a bracket in a name as an underscore.
            $name = preg_replace('/[ .\[]/', '_', urldecode(explode('=', $part, 2)[0]));
            return $part !== '' && preg_match('/^_*penstock_(code|pass)/', (string) $name) !== 1;
        });
        $query = implode('&', $kept);
        return rtrim($shop, '/') . '/' . preg_replace('~^/~', '', $request->getUri()->getPath()) . ($query === '' ? '' : '?' . $query);
    }

    /** Whether the visitor's own connection is encrypted. Who forges the header makes only their own cookie stricter. */
    private function overTls(ServerRequestInterface $request): bool
    {
        if ($this->shopUrl !== null) {
            return str_starts_with($this->shopUrl, 'https:');
        }
        $proto = trim(explode(',', $request->getHeaderLine('X-Forwarded-Proto'))[0]);
        return $proto === 'https' || $request->getUri()->getScheme() === 'https';
    }

    // Passes.

    /** Returns the pass of a token: a JWT of the one form that Penstock writes. It asks Penstock only for keys. */
    private function verify(string $token): Pass
    {
        $parts = explode('.', $token);
        if (strlen($token) > self::MAX_TOKEN_BYTES || count($parts) !== 3) {
            throw new Refused('no pass');
        }
        [$header, $claims] = [self::jsonOf($parts[0]), self::jsonOf($parts[1])];
        $signature = self::bytesOf($parts[2]);
        if (($header['alg'] ?? null) !== 'EdDSA' || !is_string($header['kid'] ?? null) || isset($header['crit'])
            || strlen($signature) !== SODIUM_CRYPTO_SIGN_BYTES) {
            throw new Refused('not signed as passes are');
        }
        $key = $this->key($header['kid']);
        if (!sodium_crypto_sign_verify_detached($signature, $parts[0] . '.' . $parts[1], $key)) {
            throw new Refused('not signed by Penstock');
        }
        if (($claims['iss'] ?? null) !== 'penstock' || ($claims['aud'] ?? null) !== $this->sale
            || !is_int($claims['exp'] ?? null) || !is_string($claims['jti'] ?? null)
            || $claims['exp'] + self::CLOCK_LEEWAY_SECONDS <= time()) {
            throw new Refused('a pass of another sale, or expired');
        }
        return new Pass($token, $this->sale, $claims['jti'], $claims['exp']);
    }

    /** @return array<string, mixed> */
    private static function jsonOf(string $part): array
    {
        $value = json_decode(self::bytesOf($part), true, 4);
        return is_array($value) ? $value : throw new Refused('no pass');
    }

    private static function bytesOf(string $part): string
    {
        try {
            return sodium_base642bin($part, SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING);
        } catch (\SodiumException) {
            throw new Refused('no pass');
        }
    }

    // Keys. PHP keeps nothing between requests, so they are in a file.

    /**
     * Returns a public key. A key is published before it signs and for a while after it, so that during a
     * rotation the cached set has every key that is in use.
     *
     * @return non-empty-string
     */
    private function key(string $id): string
    {
        $kept = $this->load('keys');
        $fresh = isset($kept['keys'][$id]) && self::since($kept['read_at']) < $kept['fresh_s'];
        if (!$fresh && self::since($kept['asked_at'] ?? 0) >= self::ASK_EVERY_SECONDS) {
            $kept = $this->askKeys(isset($kept['keys'][$id]));
        }
        if (isset($kept['keys'][$id]) && self::since($kept['read_at']) < $kept['fresh_s'] + $this->staleSeconds) {
            return sodium_base642bin($kept['keys'][$id], SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING);
        }
        if (($kept['failed'] ?? '') !== '' || !isset($kept['keys'])) {
            throw new Unsure('the keys cannot be read: ' . ($kept['failed'] ?? 'not yet'));
        }
        throw new Refused('signed with a key that Penstock does not have');
    }

    /**
     * Asks for the keys, one request for all. The others wait, unless they have a key that will do.
     *
     * @return array<string, mixed>
     */
    private function askKeys(bool $haveOne): array
    {
        $lock = fopen($this->path('lock'), 'c');
        if ($lock === false) {
            throw new Unsure('cacheDir cannot be written');
        }
        try {
            if (!flock($lock, $haveOne ? LOCK_EX | LOCK_NB : LOCK_EX)) {
                return $this->load('keys');
            }
            $kept = $this->load('keys');
            if (self::since($kept['asked_at'] ?? 0) < self::ASK_EVERY_SECONDS) {
                return $kept; // another request has asked meanwhile
            }
            $kept['asked_at'] = time();
            try {
                $kept = ['keys' => $this->readKeys($fresh), 'read_at' => time(), 'fresh_s' => $fresh, 'failed' => ''] + $kept;
            } catch (Unsure $error) {
                $kept['failed'] = $error->getMessage();
            }
            $this->store('keys', $kept);
            return $kept;
        } finally {
            fclose($lock);
        }
    }

    /**
     * @param-out int $freshSeconds
     *
     * @return non-empty-array<string, string> key id => x
     */
    private function readKeys(?int &$freshSeconds): array
    {
        [$status, $body, $headers] = $this->ask('GET', '/.well-known/jwks.json');
        $set = $status === 200 ? json_decode($body, true, 8) : null;
        $keys = [];
        foreach (is_array($set['keys'] ?? null) ? $set['keys'] : [] as $key) {
            if (($key['kty'] ?? '') === 'OKP' && ($key['crv'] ?? '') === 'Ed25519' && is_string($key['kid'] ?? null)
                && preg_match('/^[A-Za-z0-9_-]{43}$/D', (string) ($key['x'] ?? '')) === 1) {
                $keys[$key['kid']] = $key['x'];
            }
        }
        if ($keys === []) {
            throw new Unsure('the keys are answered ' . $status);
        }
        $freshSeconds = self::DEFAULT_FRESH_SECONDS;
        if (preg_match('/^cache-control:(?:.*[ ,])?max-age=(\d{1,9})\b/mi', $headers, $found) === 1) {
            $freshSeconds = min(max((int) $found[1], self::ASK_EVERY_SECONDS), self::MAX_FRESH_SECONDS);
        }
        return $keys;
    }

    // What is asked of Penstock.

    /** Exchanges a code for the pass. */
    private function redeem(string $code): string
    {
        [$status, $body] = $this->ask('POST', '/v1/handover', ['Content-Type: application/json'], json_encode(['code' => $code], JSON_THROW_ON_ERROR));
        if ($status === 404 || $status === 410) {
            throw new Refused('the code is not good any more');
        }
        $answer = $status === 200 ? json_decode($body, true, 4) : null;
        return is_string($answer['pass'] ?? null) ? $answer['pass'] : throw new Unsure('the code is answered ' . $status);
    }

    /** Asks whether a pass is still good where the visitor is: Penstock may tie a pass to a network. */
    private function askOnline(string $token, ServerRequestInterface $request): void
    {
        $visitor = array_filter([$request->getHeaderLine('X-Forwarded-For'), (string) ($request->getServerParams()['REMOTE_ADDR'] ?? '')]);
        [$status] = $this->ask('GET', '/v1/auth?sale=' . $this->sale, ['Penstock-Pass: ' . $token, 'X-Forwarded-For: ' . implode(', ', $visitor)]);
        if ($status === 401) {
            throw new Refused('the pass was given back');
        }
        if ($status !== 204) {
            throw new Unsure('the pass is answered ' . $status);
        }
    }

    /**
     * Whether the sale is in the mode open, in which nobody needs a pass. The waiting room would send who comes
     * without one straight back.
     */
    private function isOpen(): bool
    {
        $kept = $this->load('open');
        if (self::since($kept['asked_at'] ?? 0) < self::OPEN_EVERY_SECONDS) {
            return ($kept['open'] ?? false) === true;
        }
        $this->store('open', ['asked_at' => time()] + $kept); // others go on with the last answer meanwhile
        try {
            $open = $this->ask('GET', '/v1/auth?sale=' . $this->sale)[0] === 204;
        } catch (Unsure) {
            $open = false;
        }
        $this->store('open', ['asked_at' => time(), 'open' => $open]);
        return $open;
    }

    /**
     * @param list<string> $headers
     *
     * @return array{int, string, string} status, body, header lines
     */
    private function ask(string $method, string $path, array $headers = [], string $body = ''): array
    {
        $context = stream_context_create(['http' => [
            'method' => $method, 'header' => $headers, 'content' => $body, 'timeout' => self::ASK_SECONDS,
            'ignore_errors' => true, 'follow_location' => 0, 'protocol_version' => 1.1,
        ]]);
        $stream = @fopen(rtrim($this->api, '/') . $path, 'r', false, $context);
        if ($stream === false) {
            throw new Unsure('Penstock does not answer');
        }
        $lines = stream_get_meta_data($stream)['wrapper_data'] ?? [];
        $answer = stream_get_contents($stream, self::MAX_ANSWER_BYTES);
        $whole = $answer !== false && !stream_get_meta_data($stream)['timed_out'];
        fclose($stream);
        if (!$whole || preg_match('~^HTTP/\S+ (\d{3})~', $lines[0] ?? '', $found) !== 1) {
            throw new Unsure('Penstock does not answer in time');
        }
        return [(int) $found[1], $answer, implode("\n", $lines)];
    }

    /** Seconds since a time that was kept. One in the future is no time: the clock was set back. */
    private static function since(int $at): int
    {
        $seconds = time() - $at;
        return $seconds < 0 ? PHP_INT_MAX : $seconds;
    }

    // Files.

    private function path(string $name): string
    {
        return $this->cacheDir . '/penstock-' . $this->sale . '-' . hash('crc32b', $this->api) . '-' . $name;
    }

    /** @return array<string, mixed> */
    private function load(string $name): array
    {
        $text = @file_get_contents($this->path($name));
        $value = $text === false ? null : json_decode($text, true, 8);
        return is_array($value) ? $value : [];
    }

    /**
     * Replaces a file as a whole, so that nobody reads half of it.
     *
     * @param array<string, mixed> $value
     */
    private function store(string $name, array $value): void
    {
        $temporary = tempnam($this->cacheDir, 'penstock-');
        if ($temporary === false || file_put_contents($temporary, json_encode($value, JSON_THROW_ON_ERROR)) === false
            || !rename($temporary, $this->path($name))) {
            throw new Unsure('cacheDir cannot be written');
        }
    }
}
