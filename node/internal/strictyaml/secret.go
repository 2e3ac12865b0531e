package strictyaml

import "fmt"

const redacted = "[redacted]"

// Secret is text that must not reach logs, errors or output: however it is printed or marshalled it shows as
// [redacted], or as nothing when empty, so that one can still see whether it is set. Only Reveal gives the
// value. In a file it may also be written as file:PATH. Keep it in exported fields: fmt prints unexported ones
// without asking their methods.
type Secret string

// Reveal gives the value. Call it where the value is used, not earlier.
func (s Secret) Reveal() string { return string(s) }

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return redacted
}

// Format hides the value from every verb, also from those that would bypass String, such as %x and %#v.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// MarshalText hides the value from encoders; JSON and YAML both ask it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
