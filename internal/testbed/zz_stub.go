package main

import "context"

func up(ctx context.Context, a []string) error               { return nil }
func down(ctx context.Context, a []string) error             { return nil }
func status(ctx context.Context, a []string) error           { return nil }
func logs(ctx context.Context, a []string) error             { return nil }
func image(ctx context.Context, a []string) error            { return nil }
func provisionVolumes(ctx context.Context, a []string) error { return nil }
