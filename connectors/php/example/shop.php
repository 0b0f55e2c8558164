<?php
// A shop with one page, which only visitors whom the waiting room admitted can see.
declare(strict_types=1);

use Nyholm\Psr7\Factory\Psr17Factory;
use Nyholm\Psr7\Response;
use Nyholm\Psr7\ServerRequest;
use Psr\Http\Message\ResponseInterface;
use Psr\Http\Message\ServerRequestInterface;
use Psr\Http\Server\RequestHandlerInterface;

require getenv('PSR7_AUTOLOAD') ?: __DIR__ . '/../vendor/autoload.php';
require __DIR__ . '/../PenstockMiddleware.php';

$gate = new Penstock\PenstockMiddleware(
    responses: new Psr17Factory(),
    sale: (string) getenv('PENSTOCK_SALE'),
    roomUrl: (string) getenv('PENSTOCK_ROOM_URL'),
    cacheDir: (string) getenv('PENSTOCK_CACHE_DIR'),
    online: getenv('PENSTOCK_ONLINE') === '1',
);

$checkout = new class implements RequestHandlerInterface {
    public function handle(ServerRequestInterface $request): ResponseInterface
    {
        $ticket = $request->getAttribute('penstock')?->ticket ?? '';
        return new Response(200, ['Content-Type' => 'text/html; charset=utf-8', 'Cache-Control' => 'private, no-store'],
            '<h1>Checkout</h1><p>Ticket ' . htmlspecialchars($ticket) . '</p>');
    }
};

// A framework makes the request and sends the response; here both are done by hand.
$request = (new ServerRequest($_SERVER['REQUEST_METHOD'], 'http://' . $_SERVER['HTTP_HOST'] . $_SERVER['REQUEST_URI'], getallheaders(), serverParams: $_SERVER))
    ->withQueryParams($_GET)->withCookieParams($_COOKIE);
$response = $gate->process($request, $checkout);
http_response_code($response->getStatusCode());
foreach ($response->getHeaders() as $name => $values) {
    foreach ($values as $value) {
        header($name . ': ' . $value, false);
    }
}
echo $response->getBody();
