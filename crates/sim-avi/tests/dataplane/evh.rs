//! A shared virtual service whose children are chosen by host and path.

use super::world::World;

const OBJECTS: &str = include_str!("data/evh.json");

#[tokio::test]
async fn children_answer_by_host_and_path() {
    let mut world = World::new(21).await;
    world.program(OBJECTS).await;
    let _servers = [
        world.backend(1, 1, "root").await,
        world.backend(1, 2, "api").await,
        world.backend(1, 3, "bar").await,
        world.backend(1, 4, "root").await,
    ];
    for (host, path, who) in
        [("foo.com", "/", "root"), ("foo.com", "/api/v1", "api"), ("bar.com", "/api", "bar")]
    {
        let answer = world.https(host, path, host).await;
        assert_eq!((answer.status(), answer.who()), (200, who), "{host}{path}: {}", answer.body);
    }
    assert_eq!(world.http("bar.com", "/").await.who(), "bar");
    assert_eq!(world.http("foo.com", "/api").await.who(), "api", "this child has no redirect");
    let answer = world.http("foo.com", "/x").await;
    assert_eq!((answer.status(), answer.header("location")), (302, Some("https://foo.com/x")));
    assert_eq!(world.http("unknown.com", "/").await.status(), 404);
}

#[tokio::test]
async fn weights_are_kept() {
    let mut world = World::new(22).await;
    world.program(OBJECTS).await;
    let (blue, green) = (world.backend(1, 1, "blue").await, world.backend(1, 4, "green").await);
    for _ in 0..40 {
        assert_eq!(world.https("foo.com", "/", "foo.com").await.status(), 200);
    }
    assert_eq!((blue.requests(), green.requests()), (30, 10));
    let counters = world.plane.counters();
    assert_eq!(counters.servers["admin/c1--green"]["10.22.1.4:8080"].requests, 10);
    let shown = world.read("/sim/dataplane").await;
    assert_eq!(shown["counters"]["virtual_services"]["admin/c1--foo"]["requests"], 40);
}
