package main_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// storage is a running node's NATS, with a dead letter and two events.
func storage(t *testing.T) (dir string, js jetstream.JetStream) {
	t.Helper()
	dir, address := t.TempDir(), freeAddress(t)
	write(t, dir, "config.yaml", embedded(address)+"http: {listen: \"127.0.0.1:0\"}\n")
	start(t, dir)
	nc, err := nats.Connect("nats://" + address)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err = jetstream.New(nc)
	require.NoError(t, err)
	put := func(subject, id, payload string, header nats.Header) {
		msg := &nats.Msg{Subject: subject, Data: []byte(payload), Header: header}
		_, err := js.PublishMsg(t.Context(), msg, jetstream.WithMsgID(id))
		require.NoError(t, err)
	}
	put("hios."+received, "m1", `{"tenantId":"acme","n":1}`, nil)
	put("hios."+received, "m2", `{"tenantId":"acme","n":2,"password":"canary-password"}`, nil)
	put("hios.FAILED_MESSAGES", "d1", `{"tenantId":"acme","n":0}`, nats.Header{
		"x-original-channel": {"hios." + received}, "x-original-group": {"mail"}, "x-error-message": {"database down"},
		"$meta": {"eyJ0b2tlbiI6ImNhbmFyeS10b2tlbiJ9"},
	})
	return dir, js
}

const received = "hios.processing.message.received"

func succeed(t *testing.T, dir string, args ...string) string {
	t.Helper()
	r := node(t, dir, args...)
	require.Equal(t, 0, r.exit, r.stderr)
	require.NotContains(t, r.stdout+r.stderr, "canary")
	return r.stdout
}

func TestDeadLettersAreManaged(t *testing.T) {
	t.Parallel()
	dir, js := storage(t)
	list := succeed(t, dir, "dlq", "list")
	require.Regexp(t, `^1 dead letter\(s\)\nEVENT +GROUP +COUNT +OLDEST +NEWEST\nhios\.processing\.message\.received `+
		`+mail +1 +\d+s ago +\d+s ago\n\n`, list)
	require.Regexp(t, `(?m)^SEQUENCE +AGE +EVENT +GROUP +TENANT +ERROR\n1 +\d+s +hios\.processing\.message\.received `+
		`+mail +acme +database down$`, list)
	require.Contains(t, succeed(t, dir, "dlq", "list", "--event", "hios.processing.message.sent"), "0 dead letter(s)\n")
	require.Contains(t, succeed(t, dir, "dlq", "list", "--event", received, "--output", "json"), `"messageId": "d1"`)

	shown := succeed(t, dir, "dlq", "show", "1")
	require.Contains(t, shown, `"n": 0`)
	require.Contains(t, shown, `"token": "[redacted]"`)
	for args, want := range map[string]string{
		"show 7":         "there is no dead letter 7\n",
		"drop 7":         "1 sequence does not exist\n",
		"replay 7 8 8":   "2 sequences do not exist\n",
		"drop":           "say which dead letters: their sequences, or --all\n",
		"replay --all 1": "say which dead letters: their sequences, or --all\n",
	} {
		r := node(t, dir, append([]string{"dlq"}, strings.Fields(args)...)...)
		require.Equal(t, 1, r.exit)
		require.Equal(t, want, r.stderr)
	}

	for _, command := range []string{"replay", "drop"} {
		require.Regexp(
			t, `^1 dead letter\(s\)\nSEQUENCE .*\n1 +\d+s +hios\.processing\.message\.received +mail +acme +database down\n$`,
			succeed(t, dir, "dlq", command, "1", "--dry-run"),
		)
	}
	require.Equal(t, "1 dead letter(s) replayed\n", succeed(t, dir, "dlq", "replay", "1", "1"))
	s, err := js.Stream(t.Context(), "hios_hios_processing_message_received")
	require.NoError(t, err)
	msg, err := s.GetLastMsgForSubject(t.Context(), "hios."+received)
	require.NoError(t, err)
	require.JSONEq(t, `{"tenantId":"acme","n":0}`, string(msg.Data))
	require.Equal(t, []string{"hios_FAILED_MESSAGES:1"}, msg.Header["x-replayed-from"])
	require.Equal(t, "0 dead letter(s) dropped\n", succeed(t, dir, "dlq", "drop", "--all", "--group", "mail"))
	require.Equal(t, "0 dead letter(s)\n", succeed(t, dir, "dlq", "list"))
}

func TestEventsAreCountedAndReplayed(t *testing.T) {
	t.Parallel()
	dir, _ := storage(t)
	counts := succeed(t, dir, "events", "list")
	require.Regexp(t, `(?m)^hios\.processing\.message\.received +2 +\d+s ago +\d+s ago$`, counts)
	require.Regexp(t, `(?m)^hios\.processing\.message\.sent +0\b`, counts)
	require.Regexp(t, `(?m)^FAILED_MESSAGES +1 +\d+s ago`, counts)

	require.Regexp(
		t, `^SEQUENCE +AGE +MESSAGE ID\n2 +\d+s +m2\n$`,
		succeed(t, dir, "events", "replay", received, "--id", "m2", "--dry-run"),
	)
	require.Equal(t, "1 event(s) replayed\n", succeed(t, dir, "events", "replay", received, "--id", "m2"))
	require.Equal(t, "3 event(s) replayed\n", succeed(t, dir, "events", "replay", received, "--since", "1h"))
	require.Equal(
		t, "0 event(s) replayed\n",
		succeed(t, dir, "events", "replay", received, "--since", "1h", "--until", "2026-01-01T00:00:00Z"),
	)
	for want, args := range map[string][]string{
		"say which events: --since or --id": {},
		"expects a time such as 2026-01-31T12:00:00Z or how long ago it was, such as 90m, found \"yesterday\"": {
			"--since",
			"yesterday",
		},
	} {
		r := node(t, dir, append([]string{"events", "replay", received}, args...)...)
		require.NotEqual(t, 0, r.exit)
		require.Contains(t, r.stderr, want)
	}
	var list []struct {
		Count int `json:"count"`
	}
	require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, "events", "list", "--output", "json")), &list))
	require.Equal(t, 6, list[0].Count)
}

func TestEventsAreFollowed(t *testing.T) {
	t.Parallel()
	dir, _ := storage(t)
	cmd := exec.CommandContext(t.Context(), binary, "events", "tail", "--since", "1h")
	cmd.Dir = dir
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(stdout)
	var seen []string
	for len(seen) < 3 && lines.Scan() {
		require.NotContains(t, lines.Text(), "canary")
		var event struct {
			MessageID string `json:"messageId"`
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &event))
		seen = append(seen, event.MessageID)
	}
	require.ElementsMatch(t, strings.Fields("m1 m2 d1"), seen)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.NoError(t, cmd.Wait())
}

func TestUnknownNamesAreErrorsThatListTheKnown(t *testing.T) {
	t.Parallel()
	dir, _ := storage(t)
	for args, want := range map[string]string{
		"events replay nope.x --since 1h": `there is no event "nope.x"; there are: FAILED_MESSAGES, ` +
			`hios.processing.`,
		"events replay nope.x --since 1h --dry-run": `there is no event "nope.x"; there are: `,
		"events tail nope.x":                        `there is no event "nope.x"; there are: `,
		"events groups nope.x":                      `there is no event "nope.x"; there are: `,
		"dlq list --queue NOPE":                     `there is no queue of dead letters "NOPE"; there are: FAILED_MESSAGES`,
		"dlq show 1 --queue NOPE":                   `there is no queue of dead letters "NOPE"; there are: FAILED_MESSAGES`,
		"dlq drop --all --queue NOPE":               `there is no queue of dead letters "NOPE"; there are: FAILED_MESSAGES`,
		"dlq list --group audit":                    `there is no group "audit"; there are: mail`,
		"dlq replay --all --event nope.x":           `there is no event "nope.x"; there are: `,
	} {
		r := node(t, dir, strings.Fields(args)...)
		require.Equal(t, 1, r.exit, args)
		require.Empty(t, r.stdout, args)
		require.Contains(t, r.stderr, want, args)
	}
}

func TestGroupsAreShownByCommand(t *testing.T) {
	t.Parallel()
	dir, js := storage(t)
	_, err := js.CreateConsumer(t.Context(), "hios_hios_processing_message_received", jetstream.ConsumerConfig{
		Durable: "v1_mail", AckPolicy: jetstream.AckExplicitPolicy,
	})
	require.NoError(t, err)
	require.Regexp(t, `^EVENT +GROUP +PENDING +UNACKNOWLEDGED +REDELIVERED +LAST ACTIVE `+
		`+MEMBERS\nhios\.processing\.message\.received +v1_mail +2 +0 +0 +none\n$`, succeed(t, dir, "events", "groups"))
	require.Contains(t, succeed(t, dir, "events", "groups", received, "--output", "json"), `"pending": 2`)
	require.NotContains(t, succeed(t, dir, "events", "groups", "FAILED_MESSAGES"), "v1_mail")
}

func TestEventsAreReplayedOrDroppedOnlyAfterConfirmation(t *testing.T) {
	t.Parallel()
	dir, _ := storage(t)
	counts := func() []int {
		var list []struct {
			Name  string `json:"name"`
			Count int    `json:"count"`
		}
		require.NoError(t, json.Unmarshal([]byte(succeed(t, dir, "events", "list", "--output", "json")), &list))
		var found []int
		for _, c := range list {
			if c.Name == received || c.Name == "FAILED_MESSAGES" {
				found = append(found, c.Count)
			}
		}
		return found
	}
	for _, args := range []string{
		"events replay hios.processing.message.received --since 1h", "dlq drop --all", "dlq replay --all",
	} {
		require.Equal(t, 1, typing(t, dir, "n\n", strings.Fields(args)...), args)
		require.Equal(t, []int{2, 1}, counts(), args)
	}
	require.Equal(t, 0, typing(t, dir, "y\n", "events", "replay", "hios.processing.message.received", "--since", "1h"))
	require.Equal(t, []int{4, 1}, counts())
	require.Equal(t, 0, typing(t, dir, "", "dlq", "drop", "--all", "--yes"))
	require.Equal(t, []int{4, 0}, counts())
}

// typing runs a command as a person does at a terminal, and gives its exit status.
func typing(t *testing.T, dir, typed string, args ...string) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Dir = dir
	terminal, err := pty.Start(cmd)
	require.NoError(t, err)
	defer func() { _ = terminal.Close() }()
	_, err = terminal.WriteString(typed)
	require.NoError(t, err)
	_, _ = io.Copy(io.Discard, terminal) // ends with an error when the command has closed its side
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil {
		require.ErrorAs(t, err, &exit)
	}
	return cmd.ProcessState.ExitCode()
}
