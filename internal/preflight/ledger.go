package preflight

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/ledger"
)

const (
	partLedger         = "ledger"
	minPostgresVersion = 15
)

// Ledger judges the database.
func Ledger(seen ledger.Inspection) []Finding {
	all := []Finding{ledgerVersion(seen), ledgerSync(seen)}
	if seen.Pooled {
		all = append(all, ledgerFinding("pooler", OK, "a pooler stands in between; statements are not prepared on the server.", ""))
	}
	if seen.Replica != nil {
		all = append(all, ledgerReplica(*seen.Replica))
	}
	return all
}

func ledgerFinding(name string, verdict Verdict, detail, advice string) Finding {
	return Finding{Part: partLedger, Name: name, Verdict: verdict, Detail: detail, Advice: advice}
}

func ledgerVersion(seen ledger.Inspection) Finding {
	detail := seen.Engine + " " + seen.Version + "."
	major, _, _ := strings.Cut(seen.Version, ".")
	if n, err := strconv.Atoi(major); seen.Engine == "postgres" && (err != nil || n < minPostgresVersion) {
		return ledgerFinding("version", Warn, detail, "Tests run on Postgres 15 and later.")
	}
	return ledgerFinding("version", OK, detail, "")
}

// ledgerSync warns: unlike those of NATS, the defaults of Postgres are safe, so that whoever has
// changed them has decided it. synchronous_commit is not judged: the ledger turns it on for its own commits.
func ledgerSync(seen ledger.Inspection) Finding {
	detail := fmt.Sprintf("fsync %s, synchronous_commit %s, full_page_writes %s.", seen.Fsync, seen.SynchronousCommit, seen.FullPageWrites)
	if seen.Fsync != "on" || seen.FullPageWrites != "on" {
		return ledgerFinding("sync", Warn, detail, "A power failure may lose committed orders: set fsync and full_page_writes to on.")
	}
	return ledgerFinding("sync", OK, detail, "")
}

func ledgerReplica(r ledger.ReplicaInspection) Finding {
	switch {
	case r.Problem != "":
		return ledgerFinding("replica", Warn, "cannot be read: "+r.Problem+".", "Lists and reports come from the primary until it answers.")
	case !r.IsReplica:
		return ledgerFinding("replica", Warn, "PENSTOCK_POSTGRES_READ_URL names a primary.", "Name a replica, or leave the setting out.")
	case !r.LagKnown:
		return ledgerFinding("replica", Warn, "it is not known how far it is behind.", "Lists and reports come from the primary. Does it still follow this primary?")
	case r.LagMillis > r.MaxLagMillis:
		return ledgerFinding("replica", Warn, fmt.Sprintf("%d ms behind.", r.LagMillis), "Lists and reports come from the primary until it is at most PENSTOCK_POSTGRES_READ_MAX_LAG behind.")
	default:
		return ledgerFinding("replica", OK, fmt.Sprintf("%d ms behind.", r.LagMillis), "")
	}
}
