package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/loadtest/internal/stand"
)

// shop is a Medusa with a Postgres and a Redis of its own.
type shop struct {
	address  string // host and port
	settings []string
	goods    goods

	dir, source string
	env         []string
	postgres    *testenv.PostgresServer
	redis       *testenv.RedisServer
	medusa      *stand.Process
}

// goods is what seed.js prints: what a visitor has to name.
type goods struct {
	PublishableKey string `json:"publishable_key"`
	Region         string `json:"region"`
	ShippingOption string `json:"shipping_option"`
	Variant        string `json:"variant"`
	OtherVariant   string `json:"other_variant"`
}

// books is what books.js prints: what the shop itself knows of the article on sale.
type books struct {
	Orders   int64 `json:"orders"`
	Units    int64 `json:"units"`
	Stocked  int64 `json:"stocked"`
	Reserved int64 `json:"reserved"`
}

const (
	scriptWithin = 2 * time.Minute
	// restWithin bounds the time in which a shop works off what visitors no longer wait for.
	restWithin = 90 * time.Second
	restAnswer = 500 * time.Millisecond
	restInARow = 4
	askEvery   = time.Second
)

// newShop starts the servers that a shop stands on. The shop has to be stopped also when there was an error.
func newShop(ctx context.Context, root, dir string) (s *shop, err error) {
	s = &shop{dir: dir, source: filepath.Join(root, "examples", "medusa", "shop")}
	if s.address, err = stand.FreeAddress(); err != nil {
		return s, err
	}
	dirs := []string{filepath.Join(dir, "redis"), filepath.Join(dir, "pg")}
	for _, one := range dirs {
		if err := os.MkdirAll(one, 0o755); err != nil { //nolint:gosec // Postgres runs as a user of its own
			return s, err
		}
	}
	if s.redis, err = testenv.StartRedis(ctx, dirs[0], testenv.AppendFsync("everysec")); err != nil {
		return s, err
	}
	if s.postgres, err = testenv.StartPostgres(ctx, dirs[1]); err != nil {
		return s, err
	}
	database, err := s.postgres.CreateDatabase(ctx)
	if err != nil {
		return s, err
	}
	s.env = append(os.Environ(), "DATABASE_URL="+database, "REDIS_URL="+s.redis.URL,
		"COOKIE_SECRET="+rand.Text(), "JWT_SECRET="+rand.Text(),
		"NODE_ENV=production", "MEDUSA_DISABLE_TELEMETRY=true")
	return s, nil
}

// medusaProgram is Medusa's command below the shop's folder.
const medusaProgram = "node_modules/@medusajs/cli/cli.js"

// fill makes the tables, and what is sold.
func (s *shop) fill(ctx context.Context, units int64) error {
	if _, err := s.script(ctx, nil, "db:migrate"); err != nil {
		return err
	}
	line, err := s.script(ctx, []string{"UNITS=" + strconv.FormatInt(units, 10)}, "exec", "./src/scripts/seed.js")
	if err != nil {
		return err
	}
	return json.Unmarshal(line, &s.goods)
}

// script runs one of Medusa's commands, and returns the last line of its output that tells of goods or books.
func (s *shop) script(ctx context.Context, settings []string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, scriptWithin)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", append([]string{medusaProgram}, args...)...)
	cmd.Dir, cmd.Env = s.source, append(append([]string{}, s.env...), settings...)
	var stdout, both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &both
	err := cmd.Run()
	both.Write(stdout.Bytes())
	if err != nil {
		return nil, fmt.Errorf("medusa %s: %w\n%s", args[0], err, both.Bytes()[max(0, both.Len()-2000):])
	}
	return lastAnswer(stdout.Bytes()), nil
}

// answerMark begins the line that a script prints as its answer.
var answerMark = []byte("ANSWER ")

func lastAnswer(output []byte) []byte {
	at := bytes.LastIndex(output, answerMark)
	if at < 0 {
		return nil
	}
	line, _, _ := bytes.Cut(output[at+len(answerMark):], []byte("\n"))
	return line
}

func (s *shop) url() string { return "http://" + s.address }

func (s *shop) start(ctx context.Context) error {
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		return err
	}
	s.medusa = &stand.Process{
		Name: "medusa", Program: "node", Args: []string{medusaProgram, "start", "-H", host, "-p", port},
		Dir: s.source, Env: append(append([]string{}, s.env...), s.settings...), LogPath: filepath.Join(s.dir, "medusa.log"),
		Ready: func(ctx context.Context) error { return stand.AnswersOK(ctx, s.url()+"/health") },
	}
	return s.medusa.Start(ctx)
}

// close waits until the shop has worked off what it was asked, ends it and reads its books.
func (s *shop) close(ctx context.Context) (b books, err error) {
	s.awaitRest(ctx)
	if err := s.medusa.Stop(); err != nil {
		return b, err
	}
	line, err := s.script(ctx, nil, "exec", "./src/scripts/books.js")
	if err != nil {
		return b, err
	}
	return b, json.Unmarshal(line, &b)
}

// awaitRest returns once the shop answers at once, several times in a row, or the time for it is over.
func (s *shop) awaitRest(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, restWithin)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for calm := 0; calm < restInARow; {
		asked := time.Now()
		if err := stand.AnswersOK(ctx, s.url()+"/health"); err == nil && time.Since(asked) < restAnswer {
			calm++
		} else {
			calm = 0
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *shop) stop() error {
	var failed []error
	if s.medusa != nil {
		failed = append(failed, s.medusa.Stop())
	}
	if s.redis != nil {
		failed = append(failed, s.redis.Stop())
	}
	if s.postgres != nil {
		failed = append(failed, s.postgres.Stop())
	}
	return errors.Join(failed...)
}
