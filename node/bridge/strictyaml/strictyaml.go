// Package strictyaml lets the interop tests reach node/internal/strictyaml until node.Start serves them.
package strictyaml

import "github.com/hiliosai/switchboard/node/internal/strictyaml"

type Secret = strictyaml.Secret
