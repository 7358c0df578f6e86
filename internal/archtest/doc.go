// Package archtest holds the tests of the architecture: who may import whom,
// and that everything exported says what it is. It reads source files only and
// must never be imported by another package.
package archtest
