//! Pages that list skills: the front page with its search, and a publisher.

use super::page::{Page, Site, encode, number, time};
use crate::hub::layout;
use crate::hub::server::http::Response;
use crate::hub::server::state::{Account, Order, Skill, SkillId, State};

/// Skills on a page.
pub const PAGE: usize = 30;
/// The longest summary that is shown.
const SUMMARY: usize = 300;

/// Orders that are offered: the word in the address, what a person reads, and the order.
const ORDERS: [(&str, &str, Order); 4] = [
    ("updated", "Recently updated", Order::Updated),
    ("downloads", "Most downloaded", Order::Downloads),
    ("stars", "Most starred", Order::Stars),
    ("created", "Newest", Order::Created),
];

/// The front page: what a search finds or, without one, all skills in an order.
pub fn front(site: Site, state: &State, query: &str, sort: &str, after: Option<&str>) -> Response {
    if !query.trim().is_empty() {
        return found(site, state, query);
    }
    let (word, title, order) = ORDERS.into_iter().find(|(word, ..)| *word == sort).unwrap_or(ORDERS[0]);
    let from = after.and_then(|name| name.split_once('/')).and_then(|(owner, slug)| state.exact(owner, slug));
    let key = from.and_then(|id| state.key(order, id));
    let mut page = Page::new(site, "Skills", "");
    page.html("<h1>Skills</h1>\n");
    if !site.still {
        page.html("<nav aria-label=\"Order\"><ul>\n");
        for (other, label, _) in ORDERS {
            let current = if other == word { " aria-current=\"page\"" } else { "" };
            page.html("<li><a href=\"").text(site.root).html(&format!("/?sort={other}\"{current}>"));
            page.text(label).html("</a></li>\n");
        }
        page.html("</ul></nav>\n");
    }
    let mut ids = state.page(order, key, PAGE + 1);
    let more = ids.len() > PAGE;
    ids.truncate(PAGE);
    if ids.is_empty() {
        page.html("<p>Nothing is published here yet. With a token of this registry:</p>\n<pre><code>weft skill publish ./my-skill --registry ");
        page.text(site.base).html("</code></pre>\n");
    } else {
        list(&mut page, site, state, &ids);
    }
    if let Some(last) = ids.last().filter(|_| more) {
        let next = match site.still {
            true => format!("/{}", layout::list_page(&state.name(*last))),
            false => format!("/?sort={word}&after={}", encode(&state.name(*last))),
        };
        page.html("<p>").link(site, &next, &format!("More, {}", title.to_lowercase())).html("</p>\n");
    }
    page.finish(site, 200)
}

fn found(site: Site, state: &State, query: &str) -> Response {
    let ids: Vec<SkillId> = state.search(query, PAGE).into_iter().map(|(id, _)| id).collect();
    let mut page = Page::new(site, &format!("{query}: skills"), query);
    page.html("<h1>Skills for ").text(query).html("</h1>\n");
    match ids.len() {
        0 => {
            page.html("<p>None of the words is in the name, the topics or the description of a skill.</p>\n")
        }
        PAGE => page.html(&format!("<p class=\"soft\">The best {PAGE}</p>\n")),
        count => page.html(&format!("<p class=\"soft\">{count} found</p>\n")),
    };
    list(&mut page, site, state, &ids);
    page.finish(site, 200)
}

/// Whoever publishes, and what.
pub fn publisher(site: Site, state: &State, account: &Account, skills: &[SkillId]) -> Response {
    let mut page = Page::new(site, &format!("@{}", account.handle), "");
    let name = if account.name.is_empty() { &*account.handle } else { &*account.name };
    page.html("<h1>").text(name).html("</h1>\n<p class=\"soft\">@").text(&account.handle);
    let kind = if account.is_org { "organisation" } else { "publisher" };
    page.html(&format!(", {kind} since {}</p>\n", time(account.created)));
    if account.banned.is_some() {
        page.html("<p class=\"notice refused\">This account is banned: it publishes nothing any more.</p>\n");
    }
    page.html("<dl>\n<dt>Signs with</dt><dd>");
    match &account.key {
        Some(key) => {
            page.html("<code>").text(&key.fingerprint()).html("</code> (fingerprint of the Ed25519 key)")
        }
        None => page.html("nothing: no signed version yet"),
    };
    page.html("</dd>\n");
    if !account.revoked.is_empty() {
        page.html("<dt>Revoked keys</dt><dd>");
        for key in &account.revoked {
            page.html("<code>").text(&key.fingerprint()).html("</code> ");
        }
        page.html("</dd>\n");
    }
    let members: Vec<&str> = account.members.iter().map(|id| state.handle(*id)).collect();
    if !members.is_empty() {
        page.html("<dt>Members</dt><dd>");
        for handle in members {
            page.link(site, &format!("/{}", encode(handle)), &format!("@{handle}")).html(" ");
        }
        page.html("</dd>\n");
    }
    page.html("</dl>\n<h2>Skills</h2>\n");
    if skills.is_empty() {
        page.html("<p>None to be seen.</p>\n");
    }
    list(&mut page, site, state, skills);
    page.finish(site, 200)
}

/// Skills as cards.
fn list(page: &mut Page, site: Site, state: &State, ids: &[SkillId]) {
    page.html("<ul class=\"list\">\n");
    for id in ids {
        if let Some(skill) = state.skill(*id) {
            card(page, site, state, *id, skill);
        }
    }
    page.html("</ul>\n");
}

fn card(page: &mut Page, site: Site, state: &State, id: SkillId, skill: &Skill) {
    let owner = state.handle(skill.owner);
    let Some(latest) = skill.latest() else { return };
    page.html("<li>\n<h2>")
        .link(site, &address(owner, &skill.slug), title(skill))
        .html("</h2>\n<p class=\"soft\">@");
    page.text(owner).html("/").text(&skill.slug).html(" ").text(&latest.number).html("</p>\n");
    if !skill.summary.is_empty() {
        page.element("p", &shortened(&skill.summary, SUMMARY));
    }
    page.html("<p class=\"row soft\">");
    if latest.is_signed() {
        page.badge("good", "signed");
    } else {
        page.badge("warn", "unsigned");
    }
    if latest.warned {
        page.badge("warn", "scan has remarks");
    }
    if state.is_deprecated(id) || latest.deprecated {
        page.badge("warn", "deprecated");
    }
    page.html(&format!("<span>{} downloads</span> ", number(skill.counts.downloads)));
    page.html(&format!("<span>{} stars</span> ", number(u64::from(skill.stars))));
    page.html(&format!("<span>updated {}</span></p>\n</li>\n", time(skill.updated)));
}

/// Where the page of a skill is.
pub fn address(owner: &str, slug: &str) -> String {
    format!("/{}/skills/{}", encode(owner), encode(slug))
}

/// What it is called.
pub fn title(skill: &Skill) -> &str {
    if skill.title.trim().is_empty() { &skill.slug } else { &skill.title }
}

pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default().trim_end()),
        None => text.to_owned(),
    }
}
