package preflight

import (
	"fmt"

	"github.com/penstock/penstock/checkout"
)

const (
	partOrderLog = "order_log"
	// smallOrderBytes is below what a shop's order with documents may need.
	smallOrderBytes = 160 << 10
	// lowShare is the part of a stream's bound that should be free before a sale.
	lowShare = 4
)

// OrderLog judges the NATS server. A server that does not sync each write, or of which nobody can
// tell, refuses unless that is allowed.
func OrderLog(seen checkout.Inspection, allowUnsynced bool) []Finding {
	return []Finding{
		orderLogSync(seen, allowUnsynced), orderLogPayload(seen),
		stream(seen.OrderLog), stream(seen.Journal),
	}
}

func orderLogFinding(name string, verdict Verdict, detail, advice string) Finding {
	return Finding{Part: partOrderLog, Name: name, Verdict: verdict, Detail: detail, Advice: advice}
}

func orderLogSync(seen checkout.Inspection, allowUnsynced bool) Finding {
	if seen.Synced == checkout.SyncedYes {
		return orderLogFinding("sync", OK, "each write is synced to disk before it is acknowledged.", "")
	}
	detail := "The order log is not known to sync each write to disk (" + seen.SyncedWhy + ")."
	if allowUnsynced {
		return orderLogFinding("sync", Warn, detail, "PENSTOCK_ALLOW_UNSYNCED is set: a power failure may lose accepted orders.")
	}
	return orderLogFinding("sync", Refuse, detail,
		"Set sync_interval: always on the NATS server, and PENSTOCK_NATS_MONITOR_URL here; or PENSTOCK_ALLOW_UNSYNCED=true, and accept that a power failure may lose accepted orders.")
}

func orderLogPayload(seen checkout.Inspection) Finding {
	detail := fmt.Sprintf("max_payload is %d bytes: an order may have %d bytes.", seen.MaxPayloadBytes, seen.MaxOrderBytes)
	if seen.MaxOrderBytes < smallOrderBytes {
		return orderLogFinding("max_payload", Warn, detail, "Larger orders are refused before anything is confirmed. The server's default is 1 MB.")
	}
	return orderLogFinding("max_payload", OK, detail, "")
}

func stream(s checkout.StreamInspection) Finding {
	detail := fmt.Sprintf("%s storage, %d of %d replicas up to date, %d of %d bytes used.", s.Storage, s.CurrentReplicas, s.Replicas, s.UsedBytes, s.MaxBytes)
	switch {
	case s.Storage != "file":
		return orderLogFinding(s.Name, Refuse, detail, "The stream must be kept on file.")
	case s.WantReplicas > 0 && s.Replicas != s.WantReplicas:
		return orderLogFinding(s.Name, Warn, detail, fmt.Sprintf("PENSTOCK_ORDER_LOG_REPLICAS asks for %d; change the stream with the nats command.", s.WantReplicas))
	case s.CurrentReplicas < s.Replicas:
		return orderLogFinding(s.Name, Warn, detail, "Look at the servers of the NATS cluster.")
	case s.MaxBytes > 0 && s.FreeBytes*lowShare < s.MaxBytes:
		return orderLogFinding(s.Name, Warn, detail, "The stream refuses when it is full: make it larger, or find out why it is not drained.")
	default:
		return orderLogFinding(s.Name, OK, detail, "")
	}
}
