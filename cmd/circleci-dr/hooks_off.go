//go:build !testhooks

package main

// testHook does nothing in a released binary.
var testHook func(point string)
