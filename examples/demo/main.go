// Command demo shows the main job from end to end on an empty machine: a node starts with a NATS
// server and a channel store of its own, a webhook comes in and becomes a reliable event, an answer
// goes out and its event follows. Only Telegram is played, by a stand-in on loopback. The demo ends
// by itself, with exit status 0 if every step was seen. With -polling the node asks Telegram for updates instead:
// nothing listens for webhooks then.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/hiliosai/switchboard/services/telegram/telegramtest"
)

const (
	timeout     = time.Minute
	botToken    = "123456:DEMO-bot-token" // #nosec G101 -- of a bot that does not exist
	secretToken = "demo-webhook-secret"   // #nosec G101
	channel     = "demo"
)

func main() {
	binary := flag.String("node", "bin/switchboard", "the node's binary")
	polling := flag.Bool("polling", false, "receive by polling instead of webhooks")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := run(ctx, *binary, *polling); err != nil {
		fmt.Fprintln(os.Stderr, "\nthe demo failed:", err)
		cancel()
		os.Exit(1)
	}
	fmt.Println("\nAll of it worked.")
}

func run(ctx context.Context, binary string, polling bool) (err error) {
	telegram := telegramtest.NewServer(botToken)
	defer telegram.Close()
	d, err := prepare(binary, telegram.URL(), polling)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(d.dir)) }()

	step("A channel: a tenant's account at Telegram (its API root is a stand-in on this machine)")
	if err := d.command(ctx, "channels", "apply", "-f", d.file("channels.yaml")); err != nil {
		return err
	}
	if err := d.command(ctx, "channels", "list"); err != nil {
		return err
	}

	step("The node, with embedded NATS and SQLite")
	stop, err := d.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	events, err := d.consume(ctx)
	if err != nil {
		return err
	}
	defer events.close()

	messageID, err := d.receive(ctx, telegram, polling)
	if err != nil {
		return err
	}

	step("A consumer sees the reliable event")
	if err := events.print(ctx, "hios.hios.processing.message.received", `"text":"Where is my order?"`); err != nil {
		return err
	}

	step("A service of the cluster answers by calling an action")
	message := `{"channelId":"demo","message":{"to":{"id":"5550001234"},` +
		`"content":{"type":"TEXT","text":"It is on its way.",` +
		`"interactive":{"kind":"buttons","buttons":[{"id":"track","title":"Track it"}]}},` +
		`"replyTo":{"messageId":"` + messageID + `"}}}`
	if err := d.command(ctx, "call", "telegram.i_sendMessage", message); err != nil {
		return err
	}

	step("Telegram got it")
	request, err := telegram.Next(ctx)
	if err != nil {
		return fmt.Errorf("telegram got nothing: %w", err)
	}
	if err := printJSON(request.Body); err != nil {
		return err
	}

	step("A consumer sees the event of the sent message")
	return events.print(ctx, "hios.hios.processing.message.sent", `"messageId":"5550001234:`)
}

func step(title string) { fmt.Printf("\n── %s\n", title) }

// demo is a folder with a configuration, and where the node in it is reached.
type demo struct {
	binary, dir      string
	natsURL, httpURL string
}

func prepare(binary, apiBase string, polling bool) (*demo, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	natsAddress, err := freeAddress()
	if err != nil {
		return nil, err
	}
	httpAddress, err := freeAddress()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "switchboard-demo-")
	if err != nil {
		return nil, err
	}
	d := &demo{binary: binary, dir: dir, natsURL: "nats://" + natsAddress, httpURL: "http://" + httpAddress}
	listen := fmt.Sprintf("http: {listen: %q}\n", httpAddress)
	account := fmt.Sprintf(
		"credentials: {token: %q, secretToken: %q}\n    settings: {apiBase: %q}", botToken, secretToken, apiBase,
	)
	if polling {
		listen = ""
		account = fmt.Sprintf("credentials: {token: %q}\n    settings: {apiBase: %q, receive: polling}", botToken, apiBase)
	}
	files := map[string]string{
		"config.yaml": fmt.Sprintf("nats: {servers: [%q], embedded: true}\n%s", d.natsURL, listen),
		"channels.yaml": fmt.Sprintf(
			"channels:\n  - id: %s\n    tenantId: acme\n    platform: telegram\n    %s\n", channel, account,
		),
	}
	for name, content := range files {
		if err := os.WriteFile(d.file(name), []byte(content), 0o600); err != nil {
			return nil, errors.Join(err, os.RemoveAll(dir))
		}
	}
	return d, nil
}

func (d *demo) file(name string) string { return filepath.Join(d.dir, name) }

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once or never
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

func (d *demo) exec(ctx context.Context, args ...string) *exec.Cmd {
	fmt.Println("$ node", strings.Join(quoted(args), " "))
	cmd := exec.CommandContext(ctx, d.binary, args...) // #nosec G204 -- the demo's own command lines
	cmd.Dir = d.dir
	return cmd
}

func quoted(args []string) []string {
	args = slices.Clone(args)
	for i, a := range args {
		if strings.ContainsAny(a, " {") {
			args[i] = "'" + a + "'"
		}
		args[i] = strings.TrimPrefix(args[i], os.TempDir()+"/")
	}
	return args
}

// command runs one of the node's commands to its end.
func (d *demo) command(ctx context.Context, args ...string) error {
	cmd := d.exec(ctx, args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("node %s: %w", args[0], err)
	}
	return nil
}

// start runs the node until stop, and returns when it is ready.
func (d *demo) start(ctx context.Context) (stop func() error, err error) {
	cmd := d.exec(ctx, "run")
	log, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			fmt.Println("  " + lines.Text())
			if strings.Contains(lines.Text(), "node is ready") {
				close(ready)
			}
		}
	}()
	stop = func() error {
		step("The node is stopped")
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		<-ended // the log has been read to its end
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("the node did not stop cleanly: %w", err)
		}
		return nil
	}
	select {
	case <-ready:
		return stop, nil
	case <-ended:
		return nil, fmt.Errorf("the node did not start: %w", cmd.Wait())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), stop())
	}
}

// receive has a user write to the bot, and returns the message's id.
func (d *demo) receive(ctx context.Context, telegram *telegramtest.Server, polling bool) (messageID string, err error) {
	if !polling {
		step("Telegram calls the webhook")
		return "5550001234:1", d.webhook(ctx)
	}
	step("A user writes to the bot. Telegram keeps the message until the node asks for it")
	id := telegram.PushText(botToken, 5550001234, "Where is my order?")
	fmt.Println("update_id:", id)
	return fmt.Sprintf("5550001234:%d", id), nil
}

func (d *demo) webhook(ctx context.Context) error {
	update := `{"update_id":42,"message":{"message_id":1,"date":1763900000,"text":"Where is my order?",` +
		`"chat":{"id":5550001234,"type":"private"},` +
		`"from":{"id":5550001234,"is_bot":false,"first_name":"Ada","last_name":"Lovelace"}}}`
	fmt.Printf("POST /telegram/%s\n%s\n", channel, update)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.httpURL+"/telegram/"+channel, strings.NewReader(update))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Telegram-Bot-Api-Secret-Token", secretToken)
	client := &http.Client{Timeout: 10 * time.Second}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	fmt.Println(res.Status)
	fmt.Println(string(answer))
	if res.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"messages":1`)) {
		return errors.New("the webhook was not accepted")
	}
	return nil
}

// consumer reads the reliable events as any JetStream client does; @moleculer/channels is one.
type consumer struct {
	nc       *nats.Conn
	messages jetstream.MessagesContext
}

func (d *demo) consume(ctx context.Context) (*consumer, error) {
	nc, err := nats.Connect(d.natsURL)
	if err != nil {
		return nil, err
	}
	c := &consumer{nc: nc}
	js, err := jetstream.New(nc)
	if err != nil {
		c.close()
		return nil, err
	}
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "demo",
		Sources: []*jetstream.StreamSource{
			{Name: "hios_hios_processing_message_received"}, {Name: "hios_hios_processing_message_sent"},
		},
	})
	if err != nil {
		c.close()
		return nil, err
	}
	ordered, err := js.OrderedConsumer(ctx, "demo", jetstream.OrderedConsumerConfig{})
	if err == nil {
		c.messages, err = ordered.Messages()
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *consumer) close() {
	if c.messages != nil {
		c.messages.Stop()
	}
	c.nc.Close()
}

// print shows the next event, and fails if it is not the expected one.
func (c *consumer) print(ctx context.Context, subject, contains string) error {
	msg, err := c.messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return fmt.Errorf("no event on %s: %w", subject, err)
	}
	fmt.Println(msg.Subject())
	fmt.Println("Nats-Msg-Id:", msg.Headers().Get(jetstream.MsgIDHeader))
	if err := printJSON(json.RawMessage(msg.Data())); err != nil {
		return err
	}
	if msg.Subject() != subject || !bytes.Contains(msg.Data(), []byte(contains)) {
		return fmt.Errorf("expected an event on %s with %s", subject, contains)
	}
	return nil
}

func printJSON(v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err == nil {
		fmt.Println(string(data))
	}
	return err
}
