package app

import (
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/sirupsen/logrus"
)

// notifier tells systemd what the node does, for units with Type=notify. It does nothing elsewhere.
type notifier struct{ log *logrus.Entry }

func (n notifier) ready()    { n.tell(daemon.SdNotifyReady) }
func (n notifier) stopping() { n.tell(daemon.SdNotifyStopping) }

// reloading is followed by ready.
func (n notifier) reloading() {
	n.tell(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

func (n notifier) tell(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		n.log.WithError(err).Warn("systemd cannot be told how the node is")
	}
}
