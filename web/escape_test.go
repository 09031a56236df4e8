package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Everything in the database may come from a stranger: nothing of it may
// become markup, whatever field it is in.
func TestStrangersTextIsNeverMarkup(t *testing.T) {
	t.Parallel()
	s := newTagFixture(t)
	s.exec(generationsSQL)
	const evil = `"'><script>alert(1)</script>{{.}}` + "\u202e\x1b[31m"
	// Digests don't change; here they do.
	s.exec("alter table rpms disable trigger user")
	for _, column := range []string{
		"builds.nvr", "builds.planned_nvr", "builds.reason", "builds.phase", "builds.target", "builds.ref", "builds.commit_id", "builds.version", "builds.release",
		"tasks.arch", "tasks.label", "tasks.phase", "tasks.reason", "tasks.client_id", "task_attempts.client_id", "task_attempts.outcome",
		"deliveries.forge", "deliveries.event", "deliveries.repository", "deliveries.ref", "deliveries.reason", "deliveries.delivery_id",
		"tags.name", "build_targets.name", "packages.name", "repositories.forge", "repositories.full_name",
		"buildroots.tag", "buildroots.arch", "buildroots.repo_key", "buildroots.driver", "buildroot_rpms.nevra", "buildroot_rpms.digest",
		"rpms.name", "rpms.version", "rpms.release", "rpms.arch", "rpms.sha256", "rpms.path",
		"reports.description", "reports.last_error", "planned_pushes.ref", "planned_pushes.commit_id", "planned_pushes.target", "planned_pushes.reason",
		"leases.host", "leases.client_id", "hosts.name", "hosts.comment", "hosts.unready", "hosts.driver", "hosts.version",
		"build_skipped_arches.arch", "build_skipped_arches.reason", "build_warnings.text", "users.name", "permissions.name", "events.actor", "events.what", "repo_generations.actor", "repo_generations.reason", "repo_holds.actor", "repo_holds.reason", "groups.name", "group_config.display_name", "group_config.description",
		"group_config.langonly", "group_package_listing.package", "group_package_listing.type", "group_package_listing.requires",
		"tag_extra.key", "tag_extra.value", "tag_external_repos.name", "tag_external_repos.url", "tag_packages.extra_arches", "tag_config.arches",
	} {
		table, name, _ := strings.Cut(column, ".")
		// Each row gets its own, for there are unique columns. reports and
		// targets keep what they are found by.
		s.exec("update "+table+" set "+name+" = $1 || ctid::text", evil)
	}
	for _, table := range []string{"tasks", "task_attempts"} {
		s.exec("update "+table+` set finding = jsonb_build_object('phase', $1::text, 'kind', $1::text, 'reason', $1::text, 'log_file', $1::text, 'line', 3, 'object', $1::text,
			'excerpt', jsonb_build_array($1::text), 'unpackaged', jsonb_build_array($1::text),
			'missing', jsonb_build_array(jsonb_build_object('text', $1::text, 'needed_by', $1::text, 'nearest', jsonb_build_array($1::text))))`, evil)
	}
	s.exec("update tags set arches = array[$1]", evil)
	s.exec("update repo_generations set arches = array[$1]", evil)
	s.exec("update repo_rpms set arch = $1 where since = 2", evil)
	s.exec("update tag_inheritance set pkg_filter = $1 || ']|.*'", evil)
	s.exec("update build_targets set branches = array[$1]", evil)
	s.exec("update hosts set arches = array[$1], emulated = array[$1], channels = array[$1]", evil)
	s.exec("update leases set roles = array[$1], arches = array[$1]", evil)
	s.exec("update repositories set clone_url = $1 || id", `javascript:alert(1)//"><script>`)
	s.exec("update deliveries set headers = jsonb_build_object($1::text, $1::text), body = convert_to($1, 'UTF8')", evil)
	s.exec("update reports set context = 'distbot/' || (select target from builds b where b.id = reports.build_id) || '/' || $1 || id, commit_id = (select commit_id from builds b where b.id = reports.build_id)", evil)
	s.writeLog(4, 2, "build.log", evil+"\n")
	s.writeLog(12, 1, "build.log", evil+"\n")

	var pkg, tag, buildTag, build string
	if err := s.pool.QueryRow(t.Context(), "select (select name from packages where id = 1), (select name from tags where id = 1), (select name from tags where id = 2), (select nvr from builds where id = 6)").Scan(&pkg, &tag, &buildTag, &build); err != nil {
		t.Fatal(err)
	}
	ofTag := "/tags/" + url.PathEscape(buildTag)
	for _, path := range []string{
		"/tags", "/targets", ofTag, ofTag + "/inheritance", ofTag + "/packages", ofTag + "/builds", ofTag + "/groups", ofTag + "/history",
		ofTag + "/explain?subject=" + url.QueryEscape(pkg), ofTag + "/explain?subject=" + url.QueryEscape(build),
		ofTag + "/packages?event=4&name=" + url.QueryEscape(evil), ofTag + "/explain?subject=" + url.QueryEscape(evil), "/tags/" + url.PathEscape(evil),
		"/", "/?package=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "/builds/1", "/builds/2", "/builds/3", "/builds/1/buildroot/3",
		"/tasks/4/logs/build.log", "/tasks/12/logs/build.log", "/packages", "/repos", "/deliveries", "/deliveries/1", "/deliveries/3", "/hosts",
		"/packages/" + url.PathEscape(pkg), "/repos/" + url.PathEscape(tag), "/repos/" + url.PathEscape(tag) + "/2", "/repos/" + url.PathEscape(tag) + "/3",
		"/repos/" + url.PathEscape(tag) + "/4", "/queue",
	} {
		a, want := s.get(path), http.StatusOK
		if strings.HasSuffix(path, "subject="+url.QueryEscape(evil)) || path == "/tags/"+url.PathEscape(evil) {
			want = http.StatusNotFound
		}
		if a.status != want {
			t.Errorf("GET %s: status %d, want %d", path, a.status, want)
		}
		body := a.body
		if strings.Contains(body, "<script>") || strings.Contains(body, `href="javascript:`) {
			t.Errorf("GET %s: strangers' text is markup:\n%s", path, body)
		}
		if strings.ContainsAny(body, "\u202e\x1b") {
			t.Errorf("GET %s: text that turns direction, or a control character, is on the page:\n%s", path, body)
		}
		if !strings.Contains(body, "alert(1)") && !strings.Contains(body, "alert%281%29") {
			t.Errorf("GET %s: the test shows nothing: the text is not there:\n%s", path, body)
		}
	}
	if a := s.get("/repos/" + url.PathEscape(tag) + ".repo"); a.status != 404 {
		t.Errorf("a tag that is no section name has a .repo file:\n%s", a.body)
	}
}

// Names of old data may hold anything, and still be part of an address.
func TestLinksToStrangeNamesLeadSomewhere(t *testing.T) {
	t.Parallel()
	s := newTagFixture(t)
	for _, table := range []string{"tags", "packages", "groups"} {
		s.exec("update "+table+" set name = $1 || id", "a/b c%41?d=e&f#g\"<h>;+é\u202e\x1b\\..")
	}
	s.exec("update builds set nvr = $1 || id", "n/v r%41?d=e&f#g\"<h>;+é-1-")
	// Their files are not there.
	s.exec("alter table rpms disable trigger rpms_keep_rows")
	s.exec("delete from rpms")
	s.exec("delete from repo_generations")
	if seen := s.crawl("/tags"); len(seen) < 150 {
		t.Errorf("only %d links were found: %v", len(seen), seen)
	}
}
