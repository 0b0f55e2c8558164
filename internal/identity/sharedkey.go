package identity

// SharedKeys are secrets that the server and a shop have, by id.
type SharedKeys map[string][]byte
