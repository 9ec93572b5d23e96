//! Pictures, read as XML by tests.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// An element of a picture.
#[derive(Debug, Clone, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) class: String,
    /// What the pointer is told.
    pub(crate) title: String,
    /// What is written there, in a text.
    pub(crate) text: String,
    /// The classes of the groups around it.
    around: Vec<String>,
    attributes: Vec<(String, String)>,
}

impl Element {
    /// Whether it lies in a group of these classes.
    pub(crate) fn is_in(&self, class: &str) -> bool {
        self.around.iter().any(|around| around == class)
    }

    pub(crate) fn attribute(&self, key: &str) -> &str {
        let found = self.attributes.iter().find(|(k, _)| k == key);
        found.map_or("", |(_, value)| value)
    }

    pub(crate) fn number(&self, key: &str) -> f64 {
        self.attribute(key)
            .parse()
            .expect("the attribute is a number")
    }
}

fn element(start: &BytesStart<'_>, around: &[String]) -> Element {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("a picture is text");
    let attributes: Vec<(String, String)> = start
        .attributes()
        .map(|attribute| attribute.expect("attributes are sound"))
        .map(|it| (text(it.key.as_ref()), text(&it.value)))
        .collect();
    let mut element = Element {
        name: text(start.name().as_ref()),
        around: around.to_vec(),
        attributes,
        ..Element::default()
    };
    element.class = element.attribute("class").to_owned();
    element
}

/// Every element but titles, in order. Fails where the picture is no XML.
pub(crate) fn elements(svg: &str) -> Vec<Element> {
    let mut reader = Reader::from_str(svg);
    reader.config_mut().check_end_names = true;
    let mut all: Vec<Element> = Vec::new();
    let mut around: Vec<String> = Vec::new();
    // The numbers of those that are open.
    let mut open: Vec<usize> = Vec::new();
    let mut is_title = false;
    loop {
        match reader.read_event().expect("the picture is XML") {
            Event::Eof => break,
            Event::Start(start) if start.name().as_ref() == b"title" => is_title = true,
            Event::End(end) if end.name().as_ref() == b"title" => is_title = false,
            Event::Start(start) => {
                let element = element(&start, &around);
                open.push(all.len());
                around.push(element.class.clone());
                all.push(element);
            }
            Event::Empty(start) => all.push(element(&start, &around)),
            Event::End(_) => {
                open.pop().expect("something is open");
                around.pop();
            }
            Event::Text(text) => say(&mut all, &open, is_title, &String::from_utf8_lossy(&text)),
            Event::GeneralRef(name) => {
                let name = String::from_utf8_lossy(&name).into_owned();
                let c = match name.as_str() {
                    "lt" => "<",
                    "gt" => ">",
                    "amp" => "&",
                    "quot" => "\"",
                    "apos" => "'",
                    other => panic!("a reference &{other};"),
                };
                say(&mut all, &open, is_title, c);
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "everything is closed");
    all
}

fn say(all: &mut [Element], open: &[usize], is_title: bool, text: &str) {
    let Some(at) = open.last() else {
        return;
    };
    match is_title {
        true => all[*at].title += text,
        false => all[*at].text += text,
    }
}
