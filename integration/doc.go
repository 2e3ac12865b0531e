// Package integration is what a platform is written against. A platform says how its webhooks become
// messages and how a message is sent; everything that is the same for all platforms is done here
// once: the standard actions, the order of checks, retries, the error taxonomy, reliable events.
//
// It knows no wire: calls arrive as action.Request, and channels, events and secrets are reached
// through the small interfaces of [Runtime].
package integration
