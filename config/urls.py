"""Every address of the product."""

from django.contrib import admin
from django.urls import include, path

from advisor.site import advisor_site
from config import views
from identity.views import demo_outbox

admin.site.has_permission = views.is_admin  # type: ignore[method-assign]
admin.site.login = views.admin_entrance  # type: ignore[method-assign,assignment]

urlpatterns = [
    path("healthz", views.health, name="health"),
    path("favicon.ico", views.favicon, name="favicon"),
    path("language", views.choose_language, name="set_language"),
    path("elder-mode", views.choose_elder_mode, name="set_elder_mode"),
    path("accounts/", include("allauth.urls")),
    path("demo/outbox/", demo_outbox, name="demo_outbox"),
    path("admin/", admin.site.urls),
    path("advisors/", advisor_site.urls),
    path("market/", include("portfolios.urls")),
    path("marketing/", include("marketing.urls")),
    path("", include("advisor.urls")),
]

handler403 = "config.views.forbidden"
handler404 = "config.views.not_found"
handler500 = "config.views.server_error"
