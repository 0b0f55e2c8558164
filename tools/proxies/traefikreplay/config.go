package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// staticFile is the part of the static configuration that is known here.
type staticFile struct {
	EntryPoints map[string]entryPoint `json:"entryPoints"`
	Providers   struct {
		File struct {
			Filename string `json:"filename"`
		} `json:"file"`
	} `json:"providers"`
}

type entryPoint struct {
	Address string `json:"address"`
	HTTP    struct {
		AliasHeadersStrategy string `json:"aliasHeadersStrategy"`
		MaxHeaderBytes       int    `json:"maxHeaderBytes"`
	} `json:"http"`
	ForwardedHeaders struct {
		Insecure bool `json:"insecure"`
	} `json:"forwardedHeaders"`
}

// routesFile is the part of the dynamic configuration that is known here.
type routesFile struct {
	HTTP routes `json:"http"`
}

type routes struct {
	Routers     map[string]router     `json:"routers"`
	Middlewares map[string]middleware `json:"middlewares"`
	Services    map[string]service    `json:"services"`
}

type router struct {
	EntryPoints []string `json:"entryPoints"`
	Rule        string   `json:"rule"`
	Priority    int      `json:"priority"`
	Middlewares []string `json:"middlewares"`
	Service     string   `json:"service"`
}

type middleware struct {
	Headers     *headers     `json:"headers"`
	ForwardAuth *forwardAuth `json:"forwardAuth"`
	Errors      *errorPages  `json:"errors"`
}

type headers struct {
	CustomRequestHeaders  map[string]string `json:"customRequestHeaders"`
	CustomResponseHeaders map[string]string `json:"customResponseHeaders"`
}

type forwardAuth struct {
	Address             string   `json:"address"`
	TrustForwardHeader  *bool    `json:"trustForwardHeader"`
	AuthRequestHeaders  []string `json:"authRequestHeaders"`
	AuthResponseHeaders []string `json:"authResponseHeaders"`
	MaxResponseBodySize int64    `json:"maxResponseBodySize"` // bytes
}

type errorPages struct {
	Status         []string       `json:"status"`
	StatusRewrites map[string]int `json:"statusRewrites"`
	Service        string         `json:"service"`
	Query          string         `json:"query"`
}

type service struct {
	LoadBalancer struct {
		Servers []struct {
			URL string `json:"url"`
		} `json:"servers"`
	} `json:"loadBalancer"`
}

func readFile(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// inRange reports whether a status is in a range such as "500" or "500-599".
func inRange(text string, status int) bool {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	from, err := strconv.Atoi(low)
	to, err2 := strconv.Atoi(high)
	return err == nil && err2 == nil && from <= status && status <= to
}
