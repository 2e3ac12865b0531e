package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/internal/redact"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/listener"
)

type healthCommand struct {
	configFlag
	Timeout time.Duration `default:"5s" help:"How long to wait for the answer."`
}

func (*healthCommand) Help() string {
	return "It asks the node's listener admin.listen, or else http.listen. Without an address there it asks " +
		"$node.health of the node that node.id names. It prints ready, or degraded: webhooks are received, something " +
		"else does not work."
}

// readiness is what a node answers.
type readiness struct {
	State   string   `json:"state"`
	Reasons []string `json:"reasons"` // none over HTTP
}

func (h *healthCommand) Run(ctx context.Context, log *logrus.Logger, secrets *redact.Secrets) error {
	c, err := h.load(log, secrets)
	if err != nil {
		return err
	}
	var found readiness
	switch {
	case c.Admin.Listen != "":
		found, err = askListener(ctx, c.Admin.Listen, h.Timeout)
	case c.HTTP.Listen != "" && c.HTTP.Listen != listener.FromSystemd:
		found, err = askListener(ctx, c.HTTP.Listen, h.Timeout)
	case c.Node.ID != "":
		err = h.visit(ctx, h.Timeout, log, secrets, func(ctx context.Context, client *app.Client) error {
			found, err = askNode(ctx, client, c.Node.ID)
			return err
		})
	default:
		err = errors.New("there is no node to ask: set admin.listen, http.listen or node.id")
	}
	if err != nil {
		return err
	}
	if found.State != "ready" && found.State != "degraded" {
		reasons := cmp.Or(strings.Join(found.Reasons, "; "), "the node's log says why")
		return fmt.Errorf("the node is %s: %s", cmp.Or(found.State, "not known"), reasons)
	}
	fmt.Println(found.State)
	return nil
}

// askListener asks a listener of this machine.
func askListener(ctx context.Context, address string, timeout time.Duration) (found readiness, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return found, err
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // it listens at all addresses
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/-/ready", nil)
	if err != nil {
		return found, err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy: it is this machine
	resp, err := client.Do(req)
	if err != nil {
		return found, err
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&found); err != nil {
		return found, fmt.Errorf("%s is no node of Switchboard: it answers with HTTP %d", address, resp.StatusCode)
	}
	return found, nil
}

// askNode asks a node of the cluster.
func askNode(ctx context.Context, client *app.Client, id string) (readiness, error) {
	result, err := client.Call(ctx, "$node.health", json.RawMessage("{}"), action.CallOptions{NodeID: id})
	if err != nil {
		return readiness{}, described(err)
	}
	var health struct{ Readiness readiness }
	err = json.Unmarshal(result, &health)
	return health.Readiness, err
}
