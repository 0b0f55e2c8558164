<?php
// How the middleware keeps Penstock's keys: `php test/keys_test.php`. The clock is moved by hand.
declare(strict_types=1);

namespace Penstock {
    // Functions of a namespace come before those of PHP.
    function time(): int
    {
        return \Clock::$now;
    }

    function error_log(string $message): void
    {
        \Clock::$log[] = $message;
    }
}

namespace {
    use Nyholm\Psr7\Factory\Psr17Factory;
    use Nyholm\Psr7\Response;
    use Nyholm\Psr7\ServerRequest;
    use Psr\Http\Message\ResponseInterface;
    use Psr\Http\Message\ServerRequestInterface;
    use Psr\Http\Server\RequestHandlerInterface;

    require getenv('PSR7_AUTOLOAD') ?: __DIR__ . '/../vendor/autoload.php';
    require __DIR__ . '/../PenstockMiddleware.php';

    final class Clock
    {
        public static int $now;
        /** @var list<string> */
        public static array $log = [];
    }

    /** A signing key of Penstock. */
    final class Key
    {
        public readonly string $pair;

        public function __construct(public readonly string $id)
        {
            $this->pair = sodium_crypto_sign_keypair();
        }

        /** @return array<string, string> */
        public function published(): array
        {
            return ['kty' => 'OKP', 'crv' => 'Ed25519', 'kid' => $this->id, 'x' => self::encoded(sodium_crypto_sign_publickey($this->pair))];
        }

        public function pass(): string
        {
            $signed = self::encoded(json_encode(['alg' => 'EdDSA', 'kid' => $this->id, 'typ' => 'JWT'])) . '.'
                . self::encoded(json_encode(['iss' => 'penstock', 'aud' => 'drop', 'jti' => '7', 'iat' => 1, 'exp' => 9_999_999_999]));
            return $signed . '.' . self::encoded(sodium_crypto_sign_detached($signed, sodium_crypto_sign_secretkey($this->pair)));
        }

        private static function encoded(string $bytes): string
        {
            return sodium_bin2base64($bytes, SODIUM_BASE64_VARIANT_URLSAFE_NO_PADDING);
        }
    }

    /** A middleware whose Penstock can be away. */
    final class Stage
    {
        private readonly string $state;
        private readonly Penstock\PenstockMiddleware $gate;
        /** @var resource */
        private $server;

        public function __construct(Key ...$keys)
        {
            $dir = sys_get_temp_dir() . '/penstock-test-' . bin2hex(random_bytes(6));
            mkdir($dir, 0700);
            $this->state = $dir . '/state';
            $this->publishes(...$keys);
            $probe = stream_socket_server('tcp://127.0.0.1:0');
            $listen = stream_socket_get_name($probe, false);
            fclose($probe);
            $this->server = proc_open([PHP_BINARY, '-S', $listen, __DIR__ . '/publisher.php'], [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'], ['file', '/dev/null', 'w']], $pipes, null, ['STATE' => $this->state]);
            for ($i = 0; $i < 500 && @fsockopen('tcp://' . $listen) === false; $i++) {
                usleep(10_000);
            }
            $this->gate = new Penstock\PenstockMiddleware(new Psr17Factory(), 'drop', 'http://' . $listen, $dir);
            Clock::$now = 1_700_000_000;
        }

        public function __destruct()
        {
            proc_terminate($this->server);
            array_map(unlink(...), glob(dirname($this->state) . '/*'));
            rmdir(dirname($this->state));
        }

        public function publishes(Key ...$keys): void
        {
            file_put_contents($this->state, json_encode(['status' => 200, 'keys' => array_map(fn (Key $k) => $k->published(), $keys)]));
        }

        public function goesAway(): void
        {
            file_put_contents($this->state, json_encode(['status' => 503, 'keys' => []]));
        }

        /** Brings a pass at a second, and checks the answer and how often Penstock was asked until then. */
        public function brings(Key $key, int $second, int $status, int $asked): void
        {
            Clock::$now = 1_700_000_000 + $second;
            $handler = new class implements RequestHandlerInterface {
                public function handle(ServerRequestInterface $request): ResponseInterface
                {
                    return new Response(200);
                }
            };
            $request = (new ServerRequest('GET', 'http://shop.example/'))->withCookieParams(['penstock_pass_drop' => $key->pass()]);
            $got = $this->gate->process($request, $handler)->getStatusCode();
            $times = strlen((string) @file_get_contents($this->state . '.asked'));
            if ($got !== $status || $times !== $asked) {
                throw new \LogicException("at $second s: $got, want $status; asked $times times, want $asked");
            }
        }
    }

    [$a, $b, $other] = [new Key('a'), new Key('b'), new Key('other')];
    $tests = [
        'keys are kept for as long as Penstock says' => function () use ($a): void {
            $s = new Stage($a);
            $s->brings($a, 0, 200, 1);
            $s->brings($a, 299, 200, 1);
            $s->brings($a, 300, 200, 2);
        },
        'an unknown key is asked for at most every ten seconds' => function () use ($a, $b, $other): void {
            $s = new Stage($a);
            $s->brings($a, 0, 200, 1);
            $s->publishes($a, $b);
            for ($i = 0; $i < 20; $i++) {
                $s->brings($other, 9, 303, 1);
            }
            $s->brings($b, 10, 200, 2);
            $s->brings($other, 11, 303, 2);
        },
        'old keys are used for a bounded time while Penstock is away' => function () use ($a, $other): void {
            $s = new Stage($a);
            $s->brings($a, 0, 200, 1);
            $s->goesAway();
            $s->brings($a, 301, 200, 2);
            $s->brings($a, 302, 200, 2);
            $s->brings($other, 303, 503, 2);
            $s->brings($a, 300 + 3599, 200, 3);
            $s->brings($a, 300 + 3600, 503, 3);
            $s->publishes($a);
            $s->brings($a, 300 + 3610, 200, 4);
        },
        'without keys nobody is refused for good' => function () use ($a): void {
            (new Stage())->brings($a, 0, 503, 1); // a set without keys is none
        },
        'a clock that was set back does not keep keys for longer' => function () use ($a): void {
            $s = new Stage($a);
            $s->brings($a, 0, 200, 1);
            $s->brings($a, -3600, 200, 2);
        },
        'a key of the same name with another secret signs nothing' => function () use ($a): void {
            $s = new Stage($a);
            $s->brings(new Key('a'), 0, 303, 1);
        },
    ];
    $failed = 0;
    foreach ($tests as $name => $test) {
        try {
            $test();
            echo "ok   $name\n";
        } catch (\Throwable $error) {
            echo "FAIL $name: {$error->getMessage()}\n";
            $failed++;
        }
    }
    foreach (Clock::$log as $line) {
        if (str_contains($line, $a->pass())) {
            echo "FAIL a pass is in the log\n";
            $failed++;
        }
    }
    exit($failed === 0 ? 0 : 1);
}
