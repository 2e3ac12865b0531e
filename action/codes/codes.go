// Package codes has the codes of errors, one constant each. A code stands in the field type of a Moleculer error, and
// in the field code of a send's answer and of a failed event. Callers compare with these texts, so none ever changes.
//
// The page docs/errors.md is made from the comments of this package: what a code says, and behind the constant the
// other columns of its table. Run go generate after a change.
//
// Codes that a single platform or service of your own adds are its own business. Give them a constant there.
package codes

//go:generate go run ./internal/catalogue ../../docs/errors.md
