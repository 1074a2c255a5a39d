//! The status page in a real browser.

use base64::Engine as _;
use serde_json::json;

use crate::browser::Browser;
use crate::world::{World, ingress, pod};

/// Where pictures of the page are put if this names a folder.
const PICTURES: &str = "AKO_PAGE_PICTURES";

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_live_and_fits_on_a_narrow_screen() {
    let mut world = World::start(20_000 + 36 * 500, &[]).await;
    world.serve("web", "ClusterIP", &[pod("page", 36, 1)]).await;
    world.apply(&[ingress("shop", "shop.avi.internal", &[("/", "Prefix", "web")])]).await;
    // One that nobody can serve, and one that the controller refuses.
    world.apply(&[ingress("astray", "shop.example.org", &[("/", "Prefix", "web")])]).await;
    world.refuse_pools_of("refused");
    world.apply(&[ingress("refused", "refused.avi.internal", &[("/", "Prefix", "web")])]).await;
    let Some(mut browser) = Browser::open(&world.page()).await else { return };
    browser.resize(1280, 900).await;

    let text = async |browser: &mut Browser| {
        browser.value("document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    };
    let mut shown = String::new();
    for words in [
        &["Cluster c1", "leader ako-0, epoch 1 since 20", "CONNECTED", "c1--Shared-L7-0", "shop.example.org"]
            [..],
        &["refused: pool admin/c1--refused.avi.internal", "the pool is not to our taste"][..],
    ] {
        for part in words {
            crate::world::until(async || {
                shown = text(&mut browser).await;
                if shown.contains(part) { Ok(()) } else { Err(format!("{part} is not in\n{shown}")) }
            })
            .await;
        }
    }
    // Live: what changes in the cluster comes without a reload.
    browser.value("window.notReloaded = true").await;
    world.apply(&[ingress("late", "late.avi.internal", &[("/", "Prefix", "web")])]).await;
    crate::world::until(async || {
        let shown = text(&mut browser).await;
        if shown.contains("late.avi.internal") { Ok(()) } else { Err(shown) }
    })
    .await;
    assert_eq!(browser.value("window.notReloaded").await, json!(true));
    let foreign =
        "performance.getEntriesByType('resource').filter(r => !r.name.startsWith(location.origin)).length";
    assert_eq!(browser.value(foreign).await, json!(0), "assets of somebody else");

    for (width, height) in [(1280, 900), (400, 900)] {
        browser.resize(width, height).await;
        let overflow = browser.value("document.documentElement.scrollWidth - window.innerWidth").await;
        assert!(overflow.as_i64().unwrap() <= 0, "{overflow} pixels too wide at {width}");
        if let Some(folder) = std::env::var_os(PICTURES) {
            let png = base64::engine::general_purpose::STANDARD.decode(browser.picture().await).unwrap();
            let name = format!("status-page-{width}.png");
            std::fs::write(std::path::Path::new(&folder).join(name), png).unwrap();
        }
    }
}
