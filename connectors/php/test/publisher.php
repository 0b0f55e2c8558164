<?php
// A Penstock that publishes keys and can be away, for keys_test.php: what it answers is in the file STATE.
declare(strict_types=1);

$state = json_decode((string) file_get_contents((string) getenv('STATE')), true);
if ($_SERVER['REQUEST_URI'] !== '/.well-known/jwks.json') {
    http_response_code(401);
    return;
}
file_put_contents(getenv('STATE') . '.asked', '.', FILE_APPEND);
http_response_code($state['status']);
header('Cache-Control: public, max-age=300');
echo json_encode(['keys' => $state['keys']]);
