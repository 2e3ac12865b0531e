package channels

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

// Suspended says that a node has suspended a channel because its calls kept failing.
type Suspended struct {
	NodeID string `json:"nodeID"`
	integration.Suspension
}

// Condition says what a node has found wrong with a channel.
type Condition struct {
	NodeID string `json:"nodeID"`
	integration.ChannelCondition
}

// IsToldElsewhere says whether a suspension or a connection tells the same.
func (c *Condition) IsToldElsewhere() bool {
	return c.Code == codes.ConditionSendingSuspended || c.Code == codes.ConditionReceivingStopped
}

// Reports is what the nodes tell of channels, by the channel's id. The zero value has nothing.
type Reports struct {
	Suspended   map[string][]Suspended
	Connections map[string][]integration.Connection // in the order of their indexes
	Conditions  map[string][]Condition              // in the order of their codes and nodes
}

// Add adds the answer of a node to i_healthCheck without a channel. It ignores an answer of another form, which other
// services with that action may give.
func (r *Reports) Add(nodeID string, health json.RawMessage) {
	var answer struct {
		Details struct {
			Suspended   []integration.Suspension       `json:"suspended"`
			Connections []integration.Connection       `json:"connections"`
			Conditions  []integration.ChannelCondition `json:"conditions"`
		} `json:"details"`
	}
	if json.Unmarshal(health, &answer) != nil {
		return
	}
	if r.Suspended == nil {
		r.Suspended, r.Connections = map[string][]Suspended{}, map[string][]integration.Connection{}
		r.Conditions = map[string][]Condition{}
	}
	for _, one := range answer.Details.Suspended {
		r.Suspended[one.ChannelID] = append(r.Suspended[one.ChannelID], Suspended{nodeID, one})
	}
	for _, one := range answer.Details.Connections {
		r.addConnection(one)
	}
	for _, one := range answer.Details.Conditions {
		r.addCondition(Condition{nodeID, one})
	}
}

func (r *Reports) addCondition(c Condition) {
	list := append(r.Conditions[c.ChannelID], c)
	slices.SortFunc(list, func(a, b Condition) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.NodeID, b.NodeID))
	})
	r.Conditions[c.ChannelID] = list
}

// addConnection adds a connection. Every node tells of those of all nodes; the one that knows the latest owner counts.
func (r *Reports) addConnection(c integration.Connection) {
	list := r.Connections[c.ChannelID]
	at, known := slices.BinarySearchFunc(list, c.Index, func(other integration.Connection, index int) int {
		return cmp.Compare(other.Index, index)
	})
	switch {
	case !known:
		r.Connections[c.ChannelID] = slices.Insert(list, at, c)
	case list[at].Epoch < c.Epoch || list[at].Epoch == c.Epoch && list[at].Since.Before(c.Since):
		list[at] = c
	}
}

func (m *Manager) reports(ctx context.Context) *Reports {
	if m.Reports == nil {
		return &Reports{}
	}
	return m.Reports(ctx)
}

// finding returns the suspension as a finding of a test.
func (s *Suspended) finding() integration.Finding {
	return integration.Finding{
		Check: "sending",
		Fix:   "mend what the failure says; one call is let through every 15 seconds, and the first that succeeds ends it",
		Message: fmt.Sprintf(
			"node %s has suspended the channel since %s: %s", s.NodeID, time.UnixMilli(s.Since).UTC().Format(time.RFC3339),
			s.Message,
		),
	}
}

// finding returns the condition as a finding of a test.
func (c *Condition) finding() integration.Finding {
	return integration.Finding{
		Check: "condition", Fix: "see docs/alerts.md for " + c.Code,
		Message: fmt.Sprintf(
			"node %s says %s since %s: %s", c.NodeID, c.Code, time.UnixMilli(c.Since).UTC().Format(time.RFC3339), c.Message,
		),
	}
}

// connectionFinding returns a connection that is not ready as a finding of a test.
func connectionFinding(c *integration.Connection) integration.Finding {
	message := cmp.Or(c.Message, "it is not ready yet")
	if c.Node == "" {
		message = "no node keeps it"
	}
	return integration.Finding{
		Check: "receiving", Fix: "mend what the message says; the connection is opened again by itself",
		Message: fmt.Sprintf("connection %d of %d, node %s: %s", c.Index+1, c.Of, cmp.Or(c.Node, "–"), message),
	}
}
