package config

import "reflect"

// Changes lists the settings that differ between two configurations by their dotted keys, such as log.level, in the
// order of [Config].
func Changes(a, b *Config) []string { return changes("", reflect.ValueOf(*a), reflect.ValueOf(*b)) }

func changes(prefix string, a, b reflect.Value) []string {
	var keys []string
	for i := range a.NumField() {
		name := a.Type().Field(i).Tag.Get("yaml")
		switch {
		case name == "": // not a setting
		case a.Field(i).Kind() == reflect.Struct:
			keys = append(keys, changes(prefix+name+".", a.Field(i), b.Field(i))...)
		case !reflect.DeepEqual(a.Field(i).Interface(), b.Field(i).Interface()):
			keys = append(keys, prefix+name)
		}
	}
	return keys
}
