package settings

import (
	"fmt"
	"io"
	"os"
	"time"
)

// MaxBytes is the size over which a file is not read: more is not a configuration written by a person.
const MaxBytes = 1 << 20

// Load reads, completes and validates doublelock.yaml. A file that can be read but is wrong answers Problems.
func Load(path string) (Config, error) {
	raw, err := readFile(path)
	if err != nil {
		return Config{}, err
	}
	return Parse(path, raw)
}

// LoadAt is Load with the checks that depend on the date: waivers that have expired.
func LoadAt(path string, now time.Time) (Config, error) {
	raw, err := readFile(path)
	if err != nil {
		return Config{}, err
	}
	return ParseAt(path, raw, now)
}

// Parse reads, completes and validates the content of a file called name. The error is Problems, all of them at once.
func Parse(name string, raw []byte) (Config, error) {
	return ParseAt(name, raw, time.Time{})
}

// ParseAt is Parse with the checks that depend on the date.
func ParseAt(name string, raw []byte, now time.Time) (Config, error) {
	where := newPlaces(name)
	if len(raw) > MaxBytes {
		where.problem("", fmt.Sprintf("the file has %d bytes", len(raw)), fmt.Sprintf("keep it under %d", MaxBytes))
		return Config{}, where.problems
	}
	config := defaults()
	if !decode(where, raw, &config) {
		return Config{}, where.problems
	}
	complete(&config)
	validate(where, &config, now)
	if len(where.problems) > 0 {
		return Config{}, where.sorted()
	}
	return config, nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration %s: %w", path, err)
	}
	return raw, nil
}
