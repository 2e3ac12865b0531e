package channels

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/hiliosai/switchboard/integration"
)

// Suspended says that a node has suspended a channel because its calls kept failing.
type Suspended struct {
	NodeID string `json:"nodeID"`
	integration.Suspension
}

// Suspensions are the suspended channels of all nodes, by the channel's id.
type Suspensions map[string][]Suspended

// Add adds the answer of a node to i_healthCheck without a channel. It ignores an answer of another form, which other
// services with that action may give.
func (s Suspensions) Add(nodeID string, health json.RawMessage) {
	var answer struct {
		Details struct {
			Suspended []integration.Suspension `json:"suspended"`
		} `json:"details"`
	}
	if json.Unmarshal(health, &answer) != nil {
		return
	}
	for _, one := range answer.Details.Suspended {
		s[one.ChannelID] = append(s[one.ChannelID], Suspended{nodeID, one})
	}
}

func (m *Manager) suspensions(ctx context.Context) Suspensions {
	if m.Suspensions == nil {
		return nil
	}
	return m.Suspensions(ctx)
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
