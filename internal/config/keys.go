package config

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	secretFile   = "secret"
	adminKeyFile = "admin-key"

	generatedBytes = 32
	privateMode    = 0o600
	dirMode        = 0o700
)

// LoadOrCreateSecret returns the configured secret, or else the one in dir, which it generates at
// the first call. The generated text may be set as PENSTOCK_SECRET elsewhere and means the same.
func LoadOrCreateSecret(dir string, configured Secret) (secret []byte, err error) {
	if configured != "" {
		return []byte(configured.Reveal()), nil
	}
	text, err := loadOrCreate(filepath.Join(dir, secretFile), "")
	if err != nil {
		return nil, fmt.Errorf("%w; or set PENSTOCK_SECRET", err)
	}
	return []byte(text), nil
}

// LoadOrCreateAdminKey is the same for the bootstrap API key. Generated tells that no key is
// configured, so that the operator must be told where to find it.
func LoadOrCreateAdminKey(dir string, configured Secret) (key Secret, generated bool, err error) {
	if configured != "" {
		return configured, false, nil
	}
	text, err := loadOrCreate(filepath.Join(dir, adminKeyFile), "psk_")
	if err != nil {
		return "", false, fmt.Errorf("%w; or set PENSTOCK_ADMIN_KEY", err)
	}
	return Secret(text), true, nil
}

// Key returns the API key to present: the configured one, or the one that a server on this machine
// generated into the data directory.
func (c *Client) Key() (Secret, error) {
	if c.AdminKey != "" {
		return c.AdminKey, nil
	}
	path := filepath.Join(c.DataDir, adminKeyFile)
	text, err := readKey(path)
	if err != nil {
		return "", fmt.Errorf("PENSTOCK_ADMIN_KEY (--admin-key): is not set and %s cannot be used: %w", path, err)
	}
	return Secret(text), nil
}

func loadOrCreate(path, prefix string) (text string, err error) {
	text, err = readKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return text, err
	}
	if err := os.MkdirAll(filepath.Dir(path), dirMode); err != nil {
		return "", fmt.Errorf("data directory: %w", err)
	}
	random := make([]byte, generatedBytes)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("generate %s: %w", path, err)
	}
	text = prefix + hex.EncodeToString(random)
	err = writeNew(path, text)
	if errors.Is(err, fs.ErrExist) { // another process was faster, and its key counts
		return readKey(path)
	}
	return text, err
}

// readKey refuses a file that others can read, as ssh does: a key that has been readable is not
// secret any more, and silently tightening it would hide that.
func readKey(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others (mode %04o): make a new one, or run chmod 600 on it", path, info.Mode().Perm())
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(raw))
	if len(text) < MinSecretBytes {
		return "", fmt.Errorf("%s has %d bytes, at least %d are needed: remove it to have a new one made", path, len(text), MinSecretBytes)
	}
	return text, nil
}

// writeNew makes the file appear whole and on disk, or not at all. It never replaces one.
func writeNew(path, text string) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".tmp*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { err = errors.Join(err, os.Remove(temp.Name())) }()
	_, writeErr := temp.WriteString(text + "\n")
	if err := errors.Join(writeErr, temp.Chmod(privateMode), temp.Sync(), temp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Link(temp.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
