package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// maxFileBytes bounds a sites file and each file that it names.
const maxFileBytes = 1 << 20

// fileOf is the shape of a sites file. docs/proxy.md explains each member.
type fileOf struct {
	Sites []fileSite `yaml:"sites"`
}

type fileSite struct {
	Name         string       `yaml:"name"`
	Hosts        []string     `yaml:"hosts"`
	Upstream     fileUpstream `yaml:"upstream"`
	Rules        []fileRule   `yaml:"rules"`
	Mirror       []fileMirror `yaml:"mirror"`
	Bypass       fileBypass   `yaml:"bypass"`
	MaxBodyBytes int64        `yaml:"max_body_bytes"`
}

type fileUpstream struct {
	Servers          []string      `yaml:"servers"`
	Host             string        `yaml:"host"`
	CAFile           string        `yaml:"ca_file"`
	ServerName       string        `yaml:"server_name"`
	Health           fileHealth    `yaml:"health"`
	MaxConnections   int           `yaml:"max_connections"`
	ConnectTimeout   time.Duration `yaml:"connect_timeout"`
	FirstByteTimeout time.Duration `yaml:"first_byte_timeout"`
	IdleTimeout      time.Duration `yaml:"idle_timeout"`
	KeepAlive        time.Duration `yaml:"keep_alive"`
}

type fileHealth struct {
	Path    string        `yaml:"path"`
	Every   time.Duration `yaml:"every"`
	Timeout time.Duration `yaml:"timeout"`
}

type fileRule struct {
	Path    string            `yaml:"path"`
	Glob    string            `yaml:"glob"`
	Methods []string          `yaml:"methods"`
	Headers map[string]string `yaml:"headers"`
	Cookies map[string]string `yaml:"cookies"`
	Sale    string            `yaml:"sale"`
	Open    bool              `yaml:"open"`
	Fail    string            `yaml:"fail"`

	ForwardPass bool `yaml:"forward_pass"`
}

type fileBypass struct {
	Networks []string           `yaml:"networks"`
	Headers  []fileSecretHeader `yaml:"headers"`
	Links    *fileSecret        `yaml:"links"`
}

type fileSecretHeader struct {
	Name       string `yaml:"name"`
	SecretEnv  string `yaml:"secret_env"`
	SecretFile string `yaml:"secret_file"`
}

// fileSecret says where a secret is, so that the sites file itself may be read by anybody.
type fileSecret struct {
	SecretEnv  string `yaml:"secret_env"`
	SecretFile string `yaml:"secret_file"`
}

// ReadSites reads a sites file strictly. Each error is one line that names the file and the place in it.
func ReadSites(path string, limits Limits) (*Sites, error) {
	text, err := readFile(path)
	if err != nil {
		return nil, err
	}
	sites, err := parseSites(text, limits)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return sites, nil
}

func parseSites(text []byte, limits Limits) (*Sites, error) {
	var file fileOf
	decoder := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict())
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, oneLine(err)
	}
	if err := decoder.Decode(new(fileOf)); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one document")
	}
	return compile(&file, limits)
}

// oneLine says what is wrong with a YAML text, and where.
func oneLine(err error) error {
	message, _, _ := strings.Cut(err.Error(), "\n")
	var placed yaml.Error
	if !errors.As(err, &placed) || placed.GetToken() == nil {
		return errors.New(message)
	}
	message, _, _ = strings.Cut(placed.GetMessage(), "\n")
	var mistyped *yaml.TypeError
	if errors.As(err, &mistyped) {
		message = "want " + kindInWords(mistyped.DstType) + " here; put quotes around a text with colons"
	}
	return fmt.Errorf("line %d: %s", placed.GetToken().Position.Line, message)
}

func kindInWords(wanted reflect.Type) string {
	switch wanted.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map, reflect.Pointer:
		return "a mapping"
	case reflect.Int64:
		if wanted == reflect.TypeFor[time.Duration]() {
			return "a duration such as 5s"
		}
	}
	return "a number"
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, maxFileBytes+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFileBytes)
	}
	return text, nil
}

// minSecretBytes is the least length of a secret that lets visitors through.
const minSecretBytes = 16

// read returns the secret from where it is.
func (f fileSecret) read() ([]byte, error) {
	var secret []byte
	switch {
	case (f.SecretEnv == "") == (f.SecretFile == ""):
		return nil, errors.New("needs one of secret_env and secret_file")
	case f.SecretEnv != "":
		secret = []byte(os.Getenv(f.SecretEnv))
	default:
		text, err := readFile(f.SecretFile)
		if err != nil {
			return nil, err
		}
		secret = text
	}
	if secret = bytes.TrimSpace(secret); len(secret) < minSecretBytes {
		return nil, fmt.Errorf("the secret in %s has %d bytes, use at least %d", f.SecretEnv+f.SecretFile, len(secret), minSecretBytes)
	}
	return secret, nil
}
