package config

//go:generate go run ./internal/reference
