//! Who followed a link, by the User-Agent: a person with a device, or a machine that only looks.
//!
//! Messengers fetch a link to show a preview, and carriers and mail filters to scan it; none of
//! them is a click. Machines that pass themselves off as a browser cannot be told apart here.

/// Whether a visit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// Someone followed the link.
    Person(Visitor),
    /// A previewer, scanner, crawler or other program.
    Machine,
}

/// What the User-Agent tells of a person's device. Names are empty when unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visitor {
    /// What kind of device.
    pub device: Device,
    /// The browser, or the app whose own browser it is.
    pub browser: &'static str,
    /// The operating system.
    pub system: &'static str,
}

/// A kind of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A television, or a box that is plugged into one.
    Tv,
    /// A computer.
    Desktop,
    /// Anything else.
    Unknown,
}

impl Device {
    /// Its name; empty when unknown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Tv => "tv",
            Self::Desktop => "desktop",
            Self::Unknown => "",
        }
    }

    /// Whether it is carried about.
    #[must_use]
    pub const fn is_mobile(self) -> bool {
        matches!(self, Self::Mobile | Self::Tablet)
    }
}

/// Judges a visit. `looks_ahead`: the request itself says that nobody asked for it yet
/// (`Purpose` or `Sec-Purpose`: `prefetch`, `preview`).
#[must_use]
pub fn visit(user_agent: &str, looks_ahead: bool) -> Visit {
    if looks_ahead || is_machine(user_agent) {
        return Visit::Machine;
    }
    let system = first_name(user_agent, SYSTEMS);
    let browser = first_name(user_agent, BROWSERS);
    let device = device(user_agent, system);
    Visit::Person(Visitor { device, browser, system })
}

/// Parts of the names of programs that are no browsers, in small letters.
const MACHINES: &[&str] = &[
    // What names an address to complain to.
    "http:",
    "https:",
    "www.",
    // Previewers of messengers and networks.
    "preview",
    "facebookexternalhit",
    "facebookcatalog",
    "whatsapp/",
    "vkshare",
    "embedly",
    "iframely",
    "onebox",
    "imageproxy",
    "image-proxy",
    "slack-img",
    "skypeuri",
    "microsoft office",
    "ms-office",
    "valve/steam",
    "opengraph",
    "unfurl",
    "metainspector",
    // Crawlers.
    "crawl",
    "spider",
    "slurp",
    "archiver",
    "scrapy",
    "fetcher",
    "feedfetcher",
    "mediapartners",
    "apis-google",
    "google-site-verification",
    "google-safety",
    "google favicon",
    "lighthouse",
    "page speed",
    "nutch",
    "yandexmetrika",
    "appengine-google",
    "googleweblight",
    "duplexweb",
    // Scanners of carriers, filters and security firms.
    "scanner",
    "clamav",
    "barracuda",
    "proofpoint",
    "mimecast",
    "symantec",
    "fireeye",
    "forcepoint",
    "trendmicro",
    "trend micro",
    "sophos",
    "kaspersky",
    "virustotal",
    "urlscan",
    "netcraft",
    "safebrowsing",
    "phishtank",
    "censys",
    "expanse",
    "palo alto",
    "zgrab",
    "masscan",
    "nmap",
    "nessus",
    "qualys",
    "checkphish",
    "bluecoat",
    "zscaler",
    "burpcollaborator",
    // Monitors.
    "pingdom",
    "statuscake",
    "uptime",
    "site24x7",
    "catchpoint",
    "healthcheck",
    "health-check",
    "monitor",
    "dareboost",
    "gtmetrix",
    "validator",
    "datadog",
    // Browsers without a screen, and libraries.
    "headless",
    "phantomjs",
    "puppeteer",
    "playwright",
    "selenium",
    "curl",
    "wget",
    "python",
    "libwww",
    "httpclient",
    "http-client",
    "http_client",
    "go-http",
    "okhttp",
    "axios",
    "node-fetch",
    "undici",
    "node.js",
    "guzzle",
    "php/",
    "ruby/",
    "perl/",
    "libwww-perl",
    "java/",
    "postman",
    "insomnia",
    "httpie",
    "aiohttp",
    "httpx",
    "winhttp",
    "libcurl",
    "dart:io",
    "dart/",
    "dalvik/",
    "cfnetwork",
    "got (",
    "reqwest",
    "hyper/",
    "restsharp",
    "apachebench",
    "jmeter",
    "k6/",
];

fn is_machine(user_agent: &str) -> bool {
    let name = user_agent.to_ascii_lowercase();
    // Browsers have called themselves so for thirty years; the phones before them named MIDP.
    let is_browser = name.starts_with("mozilla/")
        || name.starts_with("opera/")
        || name.contains("profile/midp")
        || name.contains("ucweb");
    !is_browser || is_bot(&name) || MACHINES.iter().any(|machine| name.contains(machine))
}

/// Whether the name holds `bot`, but for that of the phones called Cubot.
fn is_bot(name: &str) -> bool {
    name.match_indices("bot").any(|(at, _)| !name[..at].ends_with("cu"))
}

/// The name behind the first of the marks that is found.
fn first_name(user_agent: &str, marks: &[(&str, &'static str)]) -> &'static str {
    let found = marks.iter().find(|(mark, _)| user_agent.contains(mark));
    found.map_or("", |(_, name)| name)
}

/// In this order: each names itself beside those that it descends from.
const BROWSERS: &[(&str, &str)] = &[
    ("FBAN/", "Facebook"),
    ("FBAV/", "Facebook"),
    ("FB_IAB", "Facebook"),
    ("Instagram ", "Instagram"),
    ("musical_ly", "TikTok"),
    ("BytedanceWebview", "TikTok"),
    ("Snapchat", "Snapchat"),
    ("Pinterest/", "Pinterest"),
    ("LinkedInApp", "LinkedIn"),
    ("Twitter for", "X"),
    ("TwitterAndroid", "X"),
    (" Line/", "Line"),
    ("MicroMessenger/", "WeChat"),
    ("GSA/", "Google"),
    ("BingWeb/", "Bing"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edge/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("OPiOS/", "Opera"),
    ("OPX/", "Opera"),
    ("Opera", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("MiuiBrowser/", "Mi Browser"),
    ("VivoBrowser/", "Vivo Browser"),
    ("HeyTapBrowser/", "HeyTap Browser"),
    ("UCBrowser", "UC Browser"),
    ("UCWEB", "UC Browser"),
    ("YaBrowser/", "Yandex Browser"),
    ("Vivaldi/", "Vivaldi"),
    ("Ecosia", "Ecosia"),
    ("Brave", "Brave"),
    ("Silk/", "Silk"),
    ("KAIOS/", "KaiOS Browser"),
    ("BB10", "BlackBerry Browser"),
    ("BlackBerry", "BlackBerry Browser"),
    ("Focus/", "Firefox Focus"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("; wv)", "Android WebView"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Trident/", "Internet Explorer"),
    ("MSIE ", "Internet Explorer"),
    ("Android", "Android Browser"),
    ("Safari/", "Safari"),
];

const SYSTEMS: &[(&str, &str)] = &[
    ("Windows Phone", "Windows Phone"),
    ("Windows", "Windows"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("iPod", "iOS"),
    ("KAIOS", "KaiOS"),
    ("HarmonyOS", "HarmonyOS"),
    ("OpenHarmony", "HarmonyOS"),
    ("Tizen", "Tizen"),
    ("Web0S", "webOS"),
    ("webOS", "webOS"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("BB10", "BlackBerry"),
    ("BlackBerry", "BlackBerry"),
    ("SymbianOS", "Symbian"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("X11", "Unix"),
];

fn device(user_agent: &str, system: &str) -> Device {
    let has = |mark: &str| user_agent.contains(mark);
    // `SMART-TV`, `SmartTV`, Apple's and Amazon's boxes.
    if has("SMART-TV") || has("SmartTV") || has("Smart-TV") || has("AppleTV") || has("; AFT") {
        return Device::Tv;
    }
    match system {
        "iPadOS" => Device::Tablet,
        "iOS" | "Windows Phone" | "KaiOS" | "BlackBerry" | "Symbian" => Device::Mobile,
        // Android's phones say Mobile and its tablets do not; the first ones of either do.
        _ if has("Tablet") && system != "Windows" || has("Silk/") && !has("Mobile") => {
            Device::Tablet
        }
        "Android" | "HarmonyOS" | "Tizen" => {
            if has("Mobile") || has("Opera Mini") {
                Device::Mobile
            } else {
                Device::Tablet
            }
        }
        "webOS" => Device::Tv,
        "Windows" | "macOS" | "ChromeOS" | "Linux" | "Unix" => Device::Desktop,
        _ if has("Mobile") || has("MIDP") => Device::Mobile,
        _ => Device::Unknown,
    }
}
